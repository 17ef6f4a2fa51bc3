// SPDX-License-Identifier: Apache-2.0
// The main() of the GPU tests: without a GPU it ends with status 77, which ctest shows as "skipped".
#include <cuda_runtime.h>

#include <cstdio>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

int main(int argc, char** argv) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: this machine has no CUDA device");
    return 77;
  }
  return Catch::Session().run(argc, argv);
}
