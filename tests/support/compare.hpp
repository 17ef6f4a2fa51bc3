// SPDX-License-Identifier: Apache-2.0
// Comparing arrays of numbers: one REQUIRE for the whole array, and a message that names the worst element.
//
//   REQUIRE_CLOSE(got, want, 1e-5);            max |got - want| <= 1e-5
//   REQUIRE_CLOSE(got, want, 1e-5, 1e-6);      |got - want| <= 1e-5 + 1e-6 * |want| everywhere
//   REQUIRE_SAME_BITS(got, want);              equal in every bit, NaN and -0 included
// Arguments are contiguous ranges with data() and size(), of any arithmetic or 16-bit float type.
// tolerance<T>(k) is what a sum of k products computed in T may differ from an exact one.
#pragma once

#include "support/catch.hpp"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>

namespace molmo_test {

/// Whether two arrays agree, and if not, where and by how much.
struct Comparison {
  bool agree = true;
  std::string message;
  explicit operator bool() const { return agree; }
};

template <class Got, class Want>
Comparison sizes_agree(const Got& got, const Want& want) {
  if (static_cast<std::size_t>(got.size()) == static_cast<std::size_t>(want.size())) return {};
  std::ostringstream s;
  s << "sizes differ: got " << got.size() << ", want " << want.size();
  return {false, s.str()};
}

/// |got - want| <= absolute + relative * |want| for every element. NaN agrees with NaN only, infinity with itself.
template <class Got, class Want>
Comparison close(const Got& got, const Want& want, double absolute, double relative = 0) {
  if (Comparison c = sizes_agree(got, want); !c) return c;
  std::size_t worst = 0, wrong = 0;
  double worst_excess = -1, largest = 0;
  const auto n = static_cast<std::size_t>(want.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto g = static_cast<double>(got.data()[i]);
    const auto w = static_cast<double>(want.data()[i]);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    double difference = std::abs(g - w);
    if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
    largest = difference > largest ? difference : largest;
    const double excess = difference - (absolute + (std::isfinite(w) ? relative * std::abs(w) : 0));
    if (!(excess > 0)) continue;
    ++wrong;
    if (excess > worst_excess) {
      worst_excess = excess;
      worst = i;
    }
  }
  if (wrong == 0) return {};
  std::ostringstream s;
  s.precision(9);
  s << wrong << " of " << n << " elements differ; worst at [" << worst << "]: got "
    << static_cast<double>(got.data()[worst]) << ", want " << static_cast<double>(want.data()[worst])
    << ", allowed " << absolute << " + " << relative << " * |want|; largest difference " << largest;
  return {false, s.str()};
}

/// Equal in every bit.
template <class Got, class Want>
Comparison same_bits(const Got& got, const Want& want) {
  using G = std::remove_cvref_t<decltype(*got.data())>;
  using W = std::remove_cvref_t<decltype(*want.data())>;
  static_assert(sizeof(G) == sizeof(W) && std::is_trivially_copyable_v<G> && std::is_trivially_copyable_v<W>);
  if (Comparison c = sizes_agree(got, want); !c) return c;
  const auto n = static_cast<std::size_t>(want.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (std::memcmp(got.data() + i, want.data() + i, sizeof(G)) == 0) continue;
    std::ostringstream s;
    s.precision(17);
    s << "bits differ first at [" << i << "] of " << n;
    if constexpr (std::is_convertible_v<G, double> && std::is_convertible_v<W, double>)
      s << ": got " << static_cast<double>(got.data()[i]) << ", want " << static_cast<double>(want.data()[i]);
    return {false, s.str()};
  }
  return {};
}

/// Bound of |computed - exact| for a sum of k products of size <= scale each, calculated in T (k eps growth, times 2).
template <class T = float>
constexpr double tolerance(std::ptrdiff_t k, double scale = 1) {
  return 2.0 * static_cast<double>(k) * static_cast<double>(std::numeric_limits<T>::epsilon()) * scale;
}

}  // namespace molmo_test

#define MOLMO_REQUIRE_COMPARISON(call)                  \
  do {                                                  \
    const ::molmo_test::Comparison comparison = (call); \
    INFO(#call << "\n  " << comparison.message);        \
    REQUIRE(comparison.agree);                          \
  } while (false)

#define REQUIRE_CLOSE(...) MOLMO_REQUIRE_COMPARISON(::molmo_test::close(__VA_ARGS__))
#define REQUIRE_SAME_BITS(...) MOLMO_REQUIRE_COMPARISON(::molmo_test::same_bits(__VA_ARGS__))
