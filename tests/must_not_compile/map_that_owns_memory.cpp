// SPDX-License-Identifier: Apache-2.0
// What a mapped function holds is copied like a number.
// expect: molmo: map\(f, x\): what f holds is copied like a number
#include <molmo/expr/assign.hpp>

#include <vector>

void run(molmo::View<float, molmo::Shape<16>> y, const std::vector<float>& table) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = map([table](auto v) { return v * molmo::constant<decltype(v)>(table[0]); }, y);
#else
  molmo::on(molmo::Reference{}, y) = map([s = table[0]](auto v) { return v * molmo::constant<decltype(v)>(s); }, y);
#endif
}
