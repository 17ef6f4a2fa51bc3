// SPDX-License-Identifier: Apache-2.0
// Runs a harness without libFuzzer. Over a file: once, to replay a finding. Over a folder: every file in it, prefixes
// of each, and copies with one byte changed; the same inputs in every run.
#include "fuzz.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

using Bytes = std::vector<std::uint8_t>;
std::size_t inputs = 0;

// A copy of exactly the right size: AddressSanitizer then sees a read that goes one byte too far.
void run(const Bytes& bytes, std::size_t size) {
  const Bytes exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  ++inputs;
}

Bytes read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void run_neighbours(Bytes bytes) {
  const std::size_t stride = 1 + bytes.size() / 512;
  std::uint32_t random = 1;
  for (std::size_t i = 0; i < bytes.size(); i += stride) {
    run(bytes, i);
    random = random * 1664525u + 1013904223u;
    const std::uint8_t before = bytes[i];
    for (const std::uint32_t change : {1u << (random >> 29), 1 + (random >> 16) % 255}) {
      bytes[i] = static_cast<std::uint8_t>(before ^ change);
      run(bytes, bytes.size());
    }
    bytes[i] = before;
  }
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      const Bytes bytes = read(argv[i]);
      run(bytes, bytes.size());
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      const Bytes bytes = read(entry.path());
      run(bytes, bytes.size());
      run_neighbours(bytes);
    }
  }
  std::printf("%zu inputs, no violation\n", inputs);
  return inputs == 0 ? 1 : 0;
}
