// SPDX-License-Identifier: Apache-2.0
// Compiled with -fno-exceptions: all headers in one unit, a calculation, and an error that comes back as a value.
#include "all_headers.hpp"

#include <cstdio>

static_assert(!MOLMO_EXCEPTIONS);

namespace {

int failures = 0;

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

void expressions() {
  using namespace molmo;
  result<Tensor<float, dyn, 8>> x = Tensor<float, dyn, 8>::make(3);
  result<Tensor<float, dyn, 8>> y = Tensor<float, dyn, 8>::make(3);
  check(x && y, "tensors can be made without exceptions");
  for (index_t i = 0; i < x->size(); ++i) (*x)[i] = static_cast<float>(i);
  on(Reference{}, *y) = *x * 2 + 1;
  check((*y)(2, 7) == 47.0f, "an expression calculates");
}

void errors() {
  using namespace molmo;
  const auto impossible = Tensor<float, dyn, 8>::make(index_t{1} << 56);
  check(!impossible && impossible.error().code == errc::out_of_memory, "a tensor that is too large is an error");
}

}  // namespace

int main() {
  expressions();
  errors();
  return failures == 0 ? 0 : 1;
}
