// SPDX-License-Identifier: Apache-2.0
// A host backend writes device memory.
// expect: molmo: on\(ctx, y\): y lies in memory \(host or device\) that this backend does not reach
#include <molmo/expr/assign.hpp>

void run(molmo::View<float, molmo::Shape<8>> host, molmo::View<float, molmo::Shape<8>, molmo::Device> device) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, device) = device * 2;
  (void)host;
#else
  molmo::on(molmo::Reference{}, host) = host * 2;
  (void)device;
#endif
}
