// SPDX-License-Identifier: Apache-2.0
// A backend's overload with a signature that is not quite right is never called: implements says so.
// expect: static assertion failed|static_assert failed
// expect: implements<.*Fast, .*softmax>
#include <molmo/ops/implements.hpp>

namespace mine {

struct Fast : molmo::Reference {};
#ifdef MOLMO_MISTAKE
void softmax_rows(const Fast&, const float* x, float* y, int rows, int width);
#else
void softmax_rows(const Fast&, const float* x, float* y, molmo::index_t rows, molmo::index_t width);
#endif
static_assert(molmo::implements<Fast, molmo::op::softmax>);

}  // namespace mine
