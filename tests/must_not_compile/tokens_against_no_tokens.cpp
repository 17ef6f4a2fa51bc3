// SPDX-License-Identifier: Apache-2.0
// A matrix beside activations: no broadcasting of a fixed number of rows.
// expect: molmo: operand shapes differ
// expect: Shape<-1, 64>
// expect: Shape<8, 64>
#include <molmo/expr/assign.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 64>> y, molmo::View<const float, molmo::Shape<8, 64>> matrix,
         molmo::View<const float, molmo::Shape<64>> row) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = y + matrix;
  (void)row;
#else
  molmo::on(molmo::Reference{}, y) = y + row;
  (void)matrix;
#endif
}
