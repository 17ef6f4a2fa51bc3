// SPDX-License-Identifier: Apache-2.0
// T5's relative positions (Raffel et al. 2020): a learned table [buckets][heads], looked up by the distance of key and
// query. Half of the buckets are exact distances, the rest grow by powers up to max_distance, and all beyond share one.
//
//   std::vector<float> bias(t5_bias_size(heads, max_distance));
//   t5_bias(table, heads, buckets, max_distance, both_directions, bias.data());
//   on(cpu, o) = attend(q, k, v).scale(1).score(score + relative_bias(bias.data(), max_distance));
// The table is made once: a distance then is an address, and neighbouring keys are neighbours in memory.
#pragma once

#include <molmo/ops/attention/score.hpp>

namespace molmo::inline v0 {

inline namespace MOLMO_ISA {

/// The bucket of a distance, key - query. In one direction (a decoder), keys behind the query share bucket 0.
[[nodiscard]] inline index_t t5_bucket(index_t distance, index_t buckets, index_t max_distance, bool both_directions) {
  index_t bucket = 0, n = -distance;
  if (both_directions) {
    buckets /= 2;
    if (n < 0) bucket = buckets, n = -n;
  } else if (n < 0) {
    n = 0;
  }
  const index_t exact = buckets / 2;
  expects(exact > 0 && max_distance > exact,
          "molmo: t5_bucket: there are at least two buckets for each direction, and max_distance is larger than half "
          "of them");
  if (n < exact) return bucket + n;
  // In float, as the published code calculates it, so that edges fall where they fall there.
  const float steps = std::log(static_cast<float>(n) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact))) *
                      static_cast<float>(buckets - exact);
  const index_t grown = exact + static_cast<index_t>(steps);
  return bucket + (grown < buckets ? grown : buckets - 1);
}

/// Numbers of the bias that t5_bias writes.
[[nodiscard]] constexpr std::size_t t5_bias_size(index_t heads, index_t max_distance) {
  return static_cast<std::size_t>(heads * (2 * max_distance + 1));
}
/// bias[head][max_distance + distance] = table[bucket of distance][head].
inline void t5_bias(const float* table, index_t heads, index_t buckets, index_t max_distance, bool both_directions,
                    float* bias) {
  for (index_t h = 0; h < heads; ++h)
    for (index_t d = -max_distance; d <= max_distance; ++d)
      *bias++ = table[t5_bucket(d, buckets, max_distance, both_directions) * heads + h];
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
