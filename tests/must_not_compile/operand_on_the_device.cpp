// SPDX-License-Identifier: Apache-2.0
// Host code reads device memory.
// expect: molmo: an operand lies in other memory
#include <molmo/expr/assign.hpp>

void run(molmo::View<float, molmo::Shape<8>> y, molmo::View<const float, molmo::Shape<8>> host,
         molmo::View<const float, molmo::Shape<8>, molmo::Device> device) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = y + device;
  (void)host;
#else
  molmo::on(molmo::Reference{}, y) = y + host;
  (void)device;
#endif
}
