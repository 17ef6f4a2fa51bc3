// SPDX-License-Identifier: Apache-2.0
// q8 and q4 against GGUF's own Python code: every byte of every block of tests/data/golden/quants (written by
// tools/make_quants_golden.py), and the error bounds that docs/quantisation.md states.
#include <molmo/formats/panels.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#if MOLMO_HAS_IO
#include "support/golden.hpp"
#endif

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

float largest_of(const float* block) {
  float m = 0;
  for (int i = 0; i < 32; ++i) m = std::max(m, std::fabs(block[i]));
  return m;
}

template <class F>
std::vector<float> there_and_back(const std::vector<float>& row) {
  const index_t n = static_cast<index_t>(row.size());
  std::vector<std::byte> stored(static_cast<std::size_t>(format_bytes<F>(n)));
  encode_row<F>(row.data(), n, stored.data());
  std::vector<float> out(row.size());
  read_row({stored.data(), format_id<F>, 1, n}, 0, out.data());
  return out;
}

}  // namespace

#if MOLMO_HAS_IO
namespace {

template <class F>
void equals_gguf(const Golden& golden, const std::string& name) {
  const std::vector<float> weights = golden.floats("weights");
  const auto stored = golden.stored<std::byte>(name);
  const std::vector<float> values = golden.floats(name + "_values");
  const std::size_t blocks = weights.size() / 32;
  REQUIRE(blocks > 500);
  REQUIRE(stored.size() == blocks * F::bytes);
  for (std::size_t b = 0; b < blocks; ++b) {
    CAPTURE(name, b);
    std::byte got[F::bytes];
    F::encode(weights.data() + 32 * b, got);
    for (std::size_t i = 0; i < F::bytes; ++i)
      if (got[i] != stored[b * F::bytes + i])
        FAIL("byte " << i << " is " << std::to_integer<int>(got[i]) << ", GGUF has "
                     << std::to_integer<int>(stored[b * F::bytes + i]));
    float back[32];
    F::decode(stored.data() + b * F::bytes, back);
    for (std::size_t i = 0; i < 32; ++i) REQUIRE(back[i] == values[32 * b + i]);
  }
}

}  // namespace

TEST_CASE("q8 is Q8_0 of GGUF, byte for byte") { equals_gguf<Q8>(Golden("quants", "blocks.safetensors"), "q8"); }
TEST_CASE("q4 is Q4_0 of GGUF, byte for byte") { equals_gguf<Q4>(Golden("quants", "blocks.safetensors"), "q4"); }
#endif

TEST_CASE("blocks: the error stays within its bound") {
  Random random(5);
  for (int run = 0; run < 2000; ++run) {
    const std::vector<float> row = random.numbers(32, std::ldexp(1.0f, static_cast<int>(random.between(-8, 12))));
    const float m = largest_of(row.data());
    const std::vector<float> q8 = there_and_back<Q8>(row), q4 = there_and_back<Q4>(row);
    for (std::size_t i = 0; i < 32; ++i) {
      // Half a step, and what rounding the scale to f16 (2^-11, or 2^-25 where it is subnormal) does to the largest
      // code; for q4 a whole step at the end that has no code, opposite to the largest weight.
      constexpr float tiny = 127 * 0x1p-25f;
      REQUIRE(std::fabs(q8[i] - row[i]) <= m / 127 * (0.5f + 127.0f / 2048) * 1.0001f + tiny);
      REQUIRE(std::fabs(q4[i] - row[i]) <= m / 8 * (1.0f + 8.0f / 2048) * 1.0001f + tiny);
      if (std::fabs(row[i]) < m * 0.93f)
        REQUIRE(std::fabs(q4[i] - row[i]) <= m / 8 * (0.5f + 8.0f / 2048) * 1.0001f + tiny);
    }
  }
}

TEST_CASE("blocks: a short last block is filled up with zeros, and has no influence") {
  Random random(6);
  for (const index_t n : {1, 31, 33, 48, 95}) {
    std::vector<float> row = random.numbers(n), whole = row;
    whole.resize(static_cast<std::size_t>((n + 31) / 32 * 32));
    for (const bool eight : {true, false}) {
      const std::vector<float> a = eight ? there_and_back<Q8>(row) : there_and_back<Q4>(row);
      const std::vector<float> b = eight ? there_and_back<Q8>(whole) : there_and_back<Q4>(whole);
      REQUIRE(std::equal(a.begin(), a.end(), b.begin()));
      for (std::size_t i = a.size(); i < b.size(); ++i) REQUIRE(b[i] == 0);
    }
  }
}

TEST_CASE("blocks: from the smallest numbers to the largest that fit, nothing undefined") {
  for (const float size :
       {0.0f, -0.0f, std::numeric_limits<float>::denorm_min(), 1e-42f, 1e-38f, 1e-30f, 1e-8f, 1.0f, 5e5f}) {
    std::vector<float> row(32, size);
    row[3] = -size;
    row[7] = size / 2;
    for (const std::vector<float>& back : {there_and_back<Q8>(row), there_and_back<Q4>(row)})
      for (std::size_t i = 0; i < 32; ++i) {
        REQUIRE(std::isfinite(back[i]));
        REQUIRE(std::fabs(back[i]) <= std::fabs(size) * 1.01f + 1e-5f);
      }
  }
}
