// SPDX-License-Identifier: Apache-2.0
// Random numbers for tests: the same on every machine and in every standard library (SplitMix64).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace molmo_test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t x = (state_ += 0x9E3779B97F4A7C15u);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  /// An integer in [first, last].
  std::ptrdiff_t between(std::ptrdiff_t first, std::ptrdiff_t last) {
    return first + static_cast<std::ptrdiff_t>(bits() % static_cast<std::uint64_t>(last - first + 1));
  }
  /// A number in [-size, size).
  float number(float size = 1) {
    return (static_cast<float>(static_cast<std::int64_t>(bits() >> 40) - (1 << 23)) / static_cast<float>(1 << 23)) * size;
  }
  std::vector<float> numbers(std::ptrdiff_t n, float size = 1) {
    std::vector<float> out(static_cast<std::size_t>(n));
    for (float& x : out) x = number(size);
    return out;
  }

 private:
  std::uint64_t state_;
};

}  // namespace molmo_test
