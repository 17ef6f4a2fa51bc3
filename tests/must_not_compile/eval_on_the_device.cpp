// SPDX-License-Identifier: Apache-2.0
// eval makes host tensors.
// expect: molmo: eval\(ctx, e\) makes a tensor on the host
#include <molmo/expr/eval.hpp>

struct Gpu {
  using memory = molmo::Device;
};

void run(molmo::View<const float, molmo::Shape<8>, molmo::Device> d, molmo::View<const float, molmo::Shape<8>> h) {
#ifdef MOLMO_MISTAKE
  (void)molmo::eval(Gpu{}, d);
  (void)h;
#else
  (void)molmo::eval(molmo::Reference{}, h);
  (void)d;
#endif
}
