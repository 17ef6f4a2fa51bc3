// SPDX-License-Identifier: Apache-2.0
// Compiled with -fno-exceptions: all headers in one unit, a calculation, and an error that comes back as a value.
#include "all_headers.hpp"

#include <atomic>
#include <cstdio>
#if defined(__linux__)
#include <sys/resource.h>
#endif

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

// A pool whose threads the system refuses has fewer, and runs.
void refused_threads() {
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  long pages = 0;
  if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%ld", &pages) != 1) pages = 0;
    std::fclose(f);
  }
  rlimit before{};
  if (pages == 0 || getrlimit(RLIMIT_AS, &before) != 0) return;
  rlimit little = before;
  little.rlim_cur = static_cast<rlim_t>(pages) * 4096 + (rlim_t{64} << 20);
  if (setrlimit(RLIMIT_AS, &little) != 0) return;
  {
    molmo::ThreadPool pool(100);  // of 8 MB of stack each
    std::atomic<int> calls{0};
    molmo::run_parts(pool, [&](int, int) { ++calls; });
    check(pool.threads() < 100, "there is no memory for the stacks of so many threads");
    check(calls == pool.threads(), "all parts run on the threads that there are");
  }
  (void)setrlimit(RLIMIT_AS, &before);
#endif
}

}  // namespace

int main() {
  expressions();
  errors();
  refused_threads();
  return failures == 0 ? 0 : 1;
}
