// SPDX-License-Identifier: Apache-2.0
// Masks of registers: what is read from and written to bytes, joined, chosen by, and made of integers.
#include <molmo/backend/lanes.hpp>
#include <molmo/backend/lanes_mask.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>
#include <memory>

using namespace molmo;

namespace {

template <class V>
void check_mask() {
  using M = typename V::mask;
  constexpr int n = V::size;
  for (unsigned seed = 0; seed < 64; ++seed) {
    bool a[n], b[n];
    float x[n], y[n];
    std::int64_t ids[n];
    for (int i = 0; i < n; ++i) {
      a[i] = (seed * 2654435761u >> (i % 32)) & 1u, b[i] = ((seed * 40503u + 7) >> (i % 16)) & 1u;
      x[i] = static_cast<float>(i), y[i] = a[i] ? std::numeric_limits<float>::quiet_NaN() : -1.0f;
      ids[i] = a[i] ? (std::int64_t{1} << 40) + i : i;
    }
    const M p = M::load(a), q = M::load(b);
    bool both[n], either[n], no[n], same[n], other[n], one_of[n], large[n];
    float blended[n], as_floats[n];
    (p && q).store(both);
    (p || q).store(either);
    (!p).store(no);
    (p == q).store(same);
    (p != q).store(other);
    select(p, q, !q).store(one_of);
    const auto whole = detail::Integers<n>::load(ids);
    M(whole <= detail::Integers<n>::broadcast(1 << 30)).store(large);
    select(!p, V::load(x), V::load(y)).store(blended);
    V::of(whole).store(as_floats);
    bool any_of = false, all_of = true;
    for (int i = 0; i < n; ++i) {
      CHECK(both[i] == (a[i] && b[i]));
      CHECK(either[i] == (a[i] || b[i]));
      CHECK(no[i] == !a[i]);
      CHECK(same[i] == (a[i] == b[i]));
      CHECK(other[i] == (a[i] != b[i]));
      CHECK(one_of[i] == (a[i] ? b[i] : !b[i]));
      CHECK(large[i] == !a[i]);
      CHECK(as_floats[i] == static_cast<float>(ids[i]));
      if (a[i])
        CHECK(std::isnan(blended[i]));
      else
        CHECK(blended[i] == x[i]);
      any_of = any_of || a[i], all_of = all_of && a[i];
    }
    CHECK(any(p) == any_of);
    CHECK(all(p) == all_of);
    // The first few: nothing beyond them is read (the sanitizer sees it) or written.
    for (int count = 1; count < n; ++count) {
      const std::unique_ptr<bool[]> few(new bool[static_cast<std::size_t>(count)]);
      for (int i = 0; i < count; ++i) few[static_cast<std::size_t>(i)] = a[i];
      bool out[n];
      for (bool& o : out) o = true;
      M::load(few.get(), count).store(out);
      for (int i = 0; i < n; ++i) CHECK(out[i] == (i < count && a[i]));
      for (bool& o : out) o = true;
      (!p).store(out, count);
      for (int i = 0; i < n; ++i) CHECK(out[i] == (i >= count || !a[i]));
    }
  }
  CHECK(all(M::broadcast(true)));
  CHECK_FALSE(any(M::broadcast(false)));
}

}  // namespace

TEST_CASE("masks of the machine's registers") { check_mask<Lanes<>>(); }
TEST_CASE("masks of registers of half the size") { check_mask<detail::Narrower>(); }
#if defined(__SSE4_2__)
TEST_CASE("masks of registers of four floats") { check_mask<Lanes<xsimd::sse4_2>>(); }
#endif
