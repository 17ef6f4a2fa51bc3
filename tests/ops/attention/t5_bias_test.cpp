// SPDX-License-Identifier: Apache-2.0
// T5's buckets: values of the published function, and their table by distance.
#include <molmo/ops/attention/t5_bias.hpp>

#include "support/catch.hpp"

#include <vector>

using namespace molmo;

TEST_CASE("t5 buckets: exact distances, then powers, then one for all beyond") {
  // Both directions, 32 buckets, 128: keys behind the query take the upper half.
  for (index_t d = 0; d < 8; ++d) {
    CHECK(t5_bucket(-d, 32, 128, true) == d);
    if (d > 0) CHECK(t5_bucket(d, 32, 128, true) == 16 + d);
  }
  CHECK(t5_bucket(-8, 32, 128, true) == 8);
  CHECK(t5_bucket(-11, 32, 128, true) == 8);
  CHECK(t5_bucket(-12, 32, 128, true) == 9);   // 8 + log(12 / 8) / log(16) * 8 = 9.17
  CHECK(t5_bucket(-64, 32, 128, true) == 14);  // 8 + 6
  CHECK(t5_bucket(-127, 32, 128, true) == 15);
  CHECK(t5_bucket(-5000, 32, 128, true) == 15);
  CHECK(t5_bucket(5000, 32, 128, true) == 31);
  // One direction: 16 exact ones, and keys behind the query share bucket 0.
  CHECK(t5_bucket(7, 32, 128, false) == 0);
  CHECK(t5_bucket(-15, 32, 128, false) == 15);
  CHECK(t5_bucket(-16, 32, 128, false) == 16);
  CHECK(t5_bucket(-20, 32, 128, false) == 17);  // 16 + log(20 / 16) / log(8) * 16 = 17.7
  CHECK(t5_bucket(-128, 32, 128, false) == 31);
}

TEST_CASE("t5 bias: a table by head and distance, whose ends stand for all beyond") {
  const index_t heads = 3, buckets = 8, most = 20;
  std::vector<float> table(static_cast<std::size_t>(buckets * heads));
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i);
  for (const bool both : {true, false}) {
    std::vector<float> bias(t5_bias_size(heads, most));
    t5_bias(table.data(), heads, buckets, most, both, bias.data());
    for (index_t h = 0; h < heads; ++h)
      for (index_t d = -most; d <= most; ++d)
        CHECK(bias[static_cast<std::size_t>(h * (2 * most + 1) + most + d)] ==
              static_cast<float>(t5_bucket(d, buckets, most, both) * heads + h));
    for (index_t d = most; d < 200; ++d) {
      CHECK(t5_bucket(-d, buckets, most, both) == t5_bucket(-most, buckets, most, both));
      CHECK(t5_bucket(d, buckets, most, both) == t5_bucket(most, buckets, most, both));
    }
  }
}
