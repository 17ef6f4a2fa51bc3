// SPDX-License-Identifier: Apache-2.0
// A function of one's own has a gradient where it says which.
// expect: molmo: gradient\(e, g, x\): a function in e has no adjoint
// lines: 12
#include <molmo/expr/gradient.hpp>

struct Cube {
  template <class V>
  V operator()(V x) const {
    return x * x * x;
  }
#ifndef MOLMO_MISTAKE
  template <class V, class D>
  void pull(V g, V, V x, D& dx) const {
    dx = molmo::constant<V>(3) * g * x * x;
  }
#endif
};

void run(molmo::View<float, molmo::Shape<16>> dx, molmo::View<const float, molmo::Shape<16>> x) {
  molmo::on(molmo::Reference{}, dx) = gradient(map(Cube{}, x), 1, x);
}
