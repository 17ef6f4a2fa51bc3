// SPDX-License-Identifier: Apache-2.0
// Masks: which query sees which key, as small types joined by && || !. They say it three times, each faster:
//
//   sees(q, k)            one pair of positions; sees(q, k, h) where it differs by head
//   over(tile)            a rectangle of positions: none, some or all. Tiles that nobody sees are never loaded
//   word(q, k, count, h)  one query, keys k ... k + count, count <= 64: bit i says whether it sees key k + i
// A mask of your own needs sees() alone, or keys(q) where a query sees one range of keys that begins and ends no
// earlier for later queries; specialise enable_mask for it, or write mask([](index_t q, index_t k) { return ...; }).
// Positions count from the start of the sequence. The library's masks are in masks.hpp, image_masks.hpp and
// sparse_masks.hpp.
#pragma once

#include <molmo/core/platform.hpp>
#include <molmo/core/shape.hpp>

#include <bit>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace molmo::inline v0 {

/// What a mask says about a tile: no pair of it is seen, some may be, every pair is.
enum class Sees : unsigned char { none, some, all };

/// Queries [q_begin, q_end) and keys [k_begin, k_end), positions of the sequence, of query heads [h_begin, h_end).
struct MaskTile {
  index_t q_begin = 0, q_end = 0, k_begin = 0, k_end = 0, h_begin = 0, h_end = 1;
};

/// Keys [begin, end): what one query sees.
struct KeyRange {
  index_t begin = 0, end = 0;
};

/// Specialise to true for a mask of your own.
template <class M>
inline constexpr bool enable_mask = false;

template <class M>
concept Mask = enable_mask<std::remove_cvref_t<M>>;

namespace detail {

template <class M>
concept MaskOfRanges = requires(const M& m, index_t q) {
  { m.keys(q) } -> std::same_as<KeyRange>;
};
template <class M>
concept MaskByHead = requires(const M& m, index_t q) { m.sees(q, q, q); };

// Does the mask answer for positions before 0, too? What is made of ranges does; others may read arrays.
template <class M>
constexpr bool find_any_position() {
  if constexpr (requires { M::any_position; })
    return M::any_position;
  else
    return MaskOfRanges<M>;
}
template <class M>
inline constexpr bool mask_of_any_position = find_any_position<M>();

// Does the mask differ between the heads of a token? Rows that need not be asked twice.
template <class M>
constexpr bool mask_by_head() {
  if constexpr (requires { M::by_head; })
    return M::by_head;
  else
    return MaskByHead<M>;
}

}  // namespace detail

namespace detail::inline MOLMO_ISA {

// The lowest n bits.
MOLMO_INLINE constexpr std::uint64_t low_bits(index_t n) {
  return n <= 0 ? 0 : n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}

template <class M>
MOLMO_INLINE constexpr bool mask_sees(const M& m, index_t q, index_t k, index_t h) {
  if constexpr (MaskByHead<M>) {
    return m.sees(q, k, h);
  } else if constexpr (MaskOfRanges<M>) {
    const KeyRange r = m.keys(q);
    return k >= r.begin && k < r.end;
  } else {
    return m.sees(q, k);
  }
}

// Ranges begin and end later for later queries, so the first and the last query decide.
template <class M>
MOLMO_INLINE constexpr Sees mask_over(const M& m, const MaskTile& t) {
  if constexpr (requires { m.over(t); }) {
    return m.over(t);
  } else if constexpr (MaskOfRanges<M>) {
    const KeyRange first = m.keys(t.q_begin), last = m.keys(t.q_end - 1);
    if (t.k_end <= first.begin || t.k_begin >= last.end) return Sees::none;
    return t.k_begin >= last.begin && t.k_end <= first.end ? Sees::all : Sees::some;
  } else {
    return Sees::some;
  }
}

// Bits from `count` on have no meaning.
template <class M>
MOLMO_INLINE constexpr std::uint64_t mask_word(const M& m, index_t q, index_t k, index_t count, index_t h) {
  if constexpr (requires { m.word(q, k, count, h); }) {
    return m.word(q, k, count, h);
  } else if constexpr (MaskOfRanges<M>) {
    const KeyRange r = m.keys(q);
    return r.begin >= r.end ? 0 : low_bits(r.end - k) & ~low_bits(r.begin - k);
  } else {
    std::uint64_t word = 0;
    for (index_t i = 0; i < count; ++i) word |= static_cast<std::uint64_t>(mask_sees(m, q, k + i, h)) << i;
    return word;
  }
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// a && b: pairs that both see.
template <class A, class B>
struct MaskAnd {
  static constexpr bool by_head = detail::mask_by_head<A>() || detail::mask_by_head<B>();
  static constexpr bool any_position = detail::mask_of_any_position<A> && detail::mask_of_any_position<B>;
  A a;
  B b;

  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k, index_t h = 0) const {
    return detail::mask_sees(a, q, k, h) && detail::mask_sees(b, q, k, h);
  }
  [[nodiscard]] MOLMO_HD constexpr Sees over(const MaskTile& t) const {
    const Sees x = detail::mask_over(a, t);
    if (x == Sees::none) return x;
    const Sees y = detail::mask_over(b, t);
    return y == Sees::none || x == Sees::all ? y : Sees::some;
  }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t count, index_t h) const {
    return detail::mask_word(a, q, k, count, h) & detail::mask_word(b, q, k, count, h);
  }
};

/// a || b: pairs that one of them sees.
template <class A, class B>
struct MaskOr {
  static constexpr bool by_head = detail::mask_by_head<A>() || detail::mask_by_head<B>();
  static constexpr bool any_position = detail::mask_of_any_position<A> && detail::mask_of_any_position<B>;
  A a;
  B b;

  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k, index_t h = 0) const {
    return detail::mask_sees(a, q, k, h) || detail::mask_sees(b, q, k, h);
  }
  [[nodiscard]] MOLMO_HD constexpr Sees over(const MaskTile& t) const {
    const Sees x = detail::mask_over(a, t);
    if (x == Sees::all) return x;
    const Sees y = detail::mask_over(b, t);
    return y == Sees::all || x == Sees::none ? y : Sees::some;
  }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t count, index_t h) const {
    return detail::mask_word(a, q, k, count, h) | detail::mask_word(b, q, k, count, h);
  }
};

/// !a: pairs that a does not see.
template <class A>
struct MaskNot {
  static constexpr bool by_head = detail::mask_by_head<A>();
  static constexpr bool any_position = detail::mask_of_any_position<A>;
  A a;

  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k, index_t h = 0) const {
    return !detail::mask_sees(a, q, k, h);
  }
  [[nodiscard]] MOLMO_HD constexpr Sees over(const MaskTile& t) const {
    const Sees x = detail::mask_over(a, t);
    return x == Sees::none ? Sees::all : x == Sees::all ? Sees::none : Sees::some;
  }
  [[nodiscard]] MOLMO_HD constexpr std::uint64_t word(index_t q, index_t k, index_t count, index_t h) const {
    return ~detail::mask_word(a, q, k, count, h);
  }
};

/// A function as a mask: see mask().
template <class F>
struct MaskFunction {
  static constexpr bool by_head = std::is_invocable_r_v<bool, const F&, index_t, index_t, index_t>;
  F f;

  [[nodiscard]] MOLMO_HD constexpr bool sees(index_t q, index_t k, index_t h = 0) const {
    if constexpr (by_head)
      return f(q, k, h);
    else
      return f(q, k);
  }
};

}  // inline namespace MOLMO_ISA

template <class A, class B>
inline constexpr bool enable_mask<MaskAnd<A, B>> = true;
template <class A, class B>
inline constexpr bool enable_mask<MaskOr<A, B>> = true;
template <class A>
inline constexpr bool enable_mask<MaskNot<A>> = true;
template <class F>
inline constexpr bool enable_mask<MaskFunction<F>> = true;

inline namespace MOLMO_ISA {

template <Mask A, Mask B>
[[nodiscard]] constexpr MaskAnd<A, B> operator&&(const A& a, const B& b) {
  return {a, b};
}
template <Mask A, Mask B>
[[nodiscard]] constexpr MaskOr<A, B> operator||(const A& a, const B& b) {
  return {a, b};
}
template <Mask A>
[[nodiscard]] constexpr MaskNot<A> operator!(const A& a) {
  return {a};
}

/// A mask of a function f(q, k) or f(q, k, head) -> bool. It is asked for every pair: where whole tiles are seen or
/// unseen, join it with a mask that knows so, as in `causal && mask(f)`.
template <class F>
  requires(std::is_invocable_r_v<bool, const F&, index_t, index_t> ||
           std::is_invocable_r_v<bool, const F&, index_t, index_t, index_t>)
[[nodiscard]] constexpr MaskFunction<F> mask(const F& f) {
  static_assert(std::is_trivially_copyable_v<F>,
                "molmo: mask(f): what f holds is copied like a number; let it hold numbers, pointers and views only");
  return {f};
}

/// The pairs that a mask shows to one head: of queries [first_query, first_query + queries) and the first `keys` keys.
/// What attention_cost asks for.
template <Mask M>
[[nodiscard]] constexpr index_t seen_pairs(const M& mask, index_t first_query, index_t queries, index_t keys,
                                           index_t head = 0) {
  index_t pairs = 0;
  for (index_t q = first_query; q < first_query + queries; ++q)
    for (index_t k = 0; k < keys; k += 64) {
      const index_t count = keys - k < 64 ? keys - k : 64;
      pairs += std::popcount(detail::mask_word(mask, q, k, count, head) & detail::low_bits(count));
    }
  return pairs;
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
