// SPDX-License-Identifier: Apache-2.0
// A host reduction reads device memory.
// expect: molmo: an operand lies in other memory
#include <molmo/expr/reduce.hpp>

float run(molmo::View<const float, molmo::Shape<8>> host, molmo::View<const float, molmo::Shape<8>, molmo::Device> device) {
#ifdef MOLMO_MISTAKE
  (void)host;
  return sum(molmo::Reference{}, device);
#else
  (void)device;
  return sum(molmo::Reference{}, host);
#endif
}
