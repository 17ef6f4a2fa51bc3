// SPDX-License-Identifier: Apache-2.0
// The masks of packs, and conditions and integers evaluated in packs, as the threads of a GPU do.
#include <molmo/backend/cuda_pack.hpp>
#include <molmo/backend/cuda_pack_mask.hpp>
#include <molmo/expr/cast.hpp>
#include <molmo/expr/position.hpp>

#include "support/catch.hpp"

#include <cstdint>

using namespace molmo;

namespace {

template <int N>
void check_pack() {
  using V = Pack<N>;
  alignas(16) float x[4 * N];
  alignas(16) bool flags[4 * N];
  alignas(16) std::int32_t ids[4 * N];
  for (int i = 0; i < 4 * N; ++i) x[i] = static_cast<float>(i % 5), flags[i] = i % 3 == 0, ids[i] = i - 7;
  const auto a = leaf(View<const float, Shape<4, N>>(x));
  const auto c = leaf(View<const bool, Shape<4, N>>(flags));
  const auto k = leaf(View<const std::int32_t, Shape<4, N>>(ids));
  for (index_t r = 0; r < 4; ++r) {
    const LanesAt<V> at{r, 0, V{}};
    alignas(16) float y[N], z[N];
    alignas(16) bool m[N], e[N];
    alignas(16) std::int16_t w[N];
    where(c && a <= 3, a, -1).eval(at).store(y);
    (a != 2 || !c).eval(at).store(m);
    (k == 3 || column_index < row_index).eval(at).store(e);
    cast<float>(k * 3).eval(at).store(z);
    where(c, k, column_index).eval(detail::as_stored<std::int16_t>(at)).store(w);
    for (int i = 0; i < N; ++i) {
      const index_t j = r * N + i;
      CHECK(y[i] == (flags[j] && x[j] <= 3 ? x[j] : -1.0f));
      CHECK(m[i] == (x[j] != 2 || !flags[j]));
      CHECK(e[i] == (ids[j] == 3 || i < r));
      CHECK(z[i] == static_cast<float>(3 * ids[j]));
      CHECK(w[i] == (flags[j] ? ids[j] : i));
    }
  }
  CHECK(all(PackMask<N>::broadcast(true)));
  CHECK_FALSE(any(PackMask<N>::broadcast(false)));
}

}  // namespace

TEST_CASE("conditions, integers and where in packs") {
  check_pack<4>();
  check_pack<8>();
}
