// SPDX-License-Identifier: Apache-2.0
// Only what lies in memory has columns to cut.
// expect: molmo: columns, heads, reshape and their like cut views and tensors
#include <molmo/core/views.hpp>
#include <molmo/expr/assign.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 8>> y, molmo::View<const float, molmo::Shape<dyn, 16>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = molmo::columns<0, 8>(x * 2);
#else
  molmo::on(molmo::Reference{}, y) = molmo::columns<0, 8>(x) * 2;
#endif
}
