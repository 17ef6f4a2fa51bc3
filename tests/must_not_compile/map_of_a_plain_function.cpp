// SPDX-License-Identifier: Apache-2.0
// A plain function serves numbers only.
// expect: molmo: map\(f, x\): f is a function object or a generic lambda
#include <molmo/expr/assign.hpp>

float twice(float x) { return x + x; }

void run(molmo::View<float, molmo::Shape<16>> y) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = map(twice, y);
#else
  molmo::on(molmo::Reference{}, y) = map([](auto v) { return v + v; }, y);
#endif
}
