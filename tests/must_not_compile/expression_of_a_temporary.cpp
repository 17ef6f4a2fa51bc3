// SPDX-License-Identifier: Apache-2.0
// An expression keeps a view of a tensor that is about to die.
// expect: deleted (member )?function .*leaf
#include <molmo/expr/assign.hpp>

molmo::Tensor<float, 8> make();

void run(molmo::View<float, molmo::Shape<8>> y) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = y + make();
#else
  const auto kept = make();
  molmo::on(molmo::Reference{}, y) = y + kept;
#endif
}
