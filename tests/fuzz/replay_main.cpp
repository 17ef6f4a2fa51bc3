// SPDX-License-Identifier: Apache-2.0
// Runs a libFuzzer harness without libFuzzer: over every file of a folder, over prefixes of each, and over copies with one
// byte changed. The same inputs in every run. Crashes, hangs and sanitizer reports are the failures.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s <folder of seeds>\n", argv[0]);
    return 2;
  }
  std::size_t inputs = 0;
  // A copy of exactly the right size: reading one byte too far is then seen by AddressSanitizer.
  const auto run = [&inputs](const std::uint8_t* first, const std::uint8_t* last) {
    const std::vector<std::uint8_t> exact(first, last);
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
    ++inputs;
  };
  std::size_t files = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], none)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::vector<std::uint8_t> seed{std::istreambuf_iterator<char>(in), {}};
    ++files;
    run(seed.data(), seed.data() + seed.size());
    const std::size_t stride = 1 + seed.size() / 256;
    for (std::size_t n = 0; n < seed.size(); n += stride) run(seed.data(), seed.data() + n);
    std::uint32_t random = 1;
    for (std::size_t n = 0; n < seed.size(); n += stride) {
      random = random * 1664525u + 1013904223u;
      const std::uint8_t before = seed[n];
      seed[n] = static_cast<std::uint8_t>(before ^ (1u << (random >> 29)));
      run(seed.data(), seed.data() + seed.size());
      seed[n] = static_cast<std::uint8_t>(random >> 16);
      run(seed.data(), seed.data() + seed.size());
      seed[n] = before;
    }
  }
  std::printf("%zu seeds, %zu inputs\n", files, inputs);
  if (files == 0) std::fprintf(stderr, "no seeds in %s\n", argv[1]);
  return files == 0 ? 1 : 0;
}
