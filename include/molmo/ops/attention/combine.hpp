// SPDX-License-Identifier: Apache-2.0
// combine: two results of attention over different keys become the result over all of them.
//
//   lse = ln(e^a.lse + e^b.lse)      out = a.out e^(a.lse - lse) + b.out e^(b.lse - lse)
// Exact but for rounding, for any keys that no row has seen twice, in any order. Where a part has seen nothing (lse
// -infinity) the other is unchanged; where both have, out stays 0. Split keys, ring attention and a prefix that is
// shared between requests are this function. The calculation is f32 and of a pass over memory; it has no threads.
#pragma once

#include <molmo/ops/attention/operands.hpp>

#include <cmath>
#include <limits>

namespace molmo::inline v0::inline MOLMO_ISA {

/// out and lse of one part, rows of `lse` heads apart: see AttentionOperands.
struct AttentionPart {
  HeadRows<float> out;
  float* lse = nullptr;
};

/// Adds `more` to `sum`, in place. A NaN in either reaches the rows that it belongs to.
inline void combine(const AttentionPart& sum, const AttentionPart& more) {
  expects(sum.out.tokens == more.out.tokens && sum.out.heads == more.out.heads && sum.out.width == more.out.width,
          "molmo: combine: the two parts have different sizes");
  constexpr float nothing = -std::numeric_limits<float>::infinity();
  const index_t heads = sum.out.heads;
  for (index_t t = 0; t < sum.out.tokens; ++t)
    for (index_t h = 0; h < heads; ++h) {
      float& own = sum.lse[t * heads + h];
      const float other = more.lse[t * heads + h];
      if (other == nothing) continue;
      float* to = sum.out.at(t, h);
      const float* from = more.out.at(t, h);
      if (own == nothing) {
        for (index_t i = 0; i < sum.out.width; ++i) to[i] = from[i];
        own = other;
        continue;
      }
      const float shift = own > other ? own : other;
      const float a = std::exp(own - shift), b = std::exp(other - shift), total = a + b;
      const float wa = a / total, wb = b / total;
      for (index_t i = 0; i < sum.out.width; ++i) to[i] = wa * to[i] + wb * from[i];
      own = shift + std::log(total);
    }
}

}  // namespace molmo::inline v0::inline MOLMO_ISA
