// SPDX-License-Identifier: Apache-2.0
// Integers<N> of more than one neighbour in registers, by the vector types of g++ and clang: blocks of as many 64-bit
// lanes as the machine has. Elsewhere, and on a GPU, the loops of expr/integers.hpp stay.
//
// (At -O2 g++ 12 leaves those loops scalar: 16 neighbours cost seven times a plain loop over the tensor.)
#pragma once

#include <molmo/expr/integers.hpp>

#if defined(__GNUC__) && !defined(__CUDACC__)

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

#if defined(__AVX512F__)
inline constexpr int widest_block = 8;
#elif defined(__AVX2__)
inline constexpr int widest_block = 4;
#else
inline constexpr int widest_block = 2;
#endif

/// N lanes of 64 bits as blocks of `lanes` each.
template <int N>
struct Blocks {
  static constexpr int lanes = N < widest_block ? N : widest_block;
  static constexpr int count = N / lanes;
  typedef std::int64_t Block __attribute__((vector_size(static_cast<unsigned>(lanes) * 8)));
  typedef std::uint64_t Bits __attribute__((vector_size(static_cast<unsigned>(lanes) * 8)));
};

template <int N>
  requires(N > 1)
struct IntegerMask<N> : Blocks<N> {
  typename Blocks<N>::Block v[Blocks<N>::count];  ///< all ones or zeros in each lane

  MOLMO_INLINE bool operator[](int i) const { return v[i / this->lanes][i % this->lanes] != 0; }
};

template <int N>
  requires(N > 1)
struct Integers<N> : Blocks<N> {
  using Blocks<N>::lanes;
  using Blocks<N>::count;
  using Block = typename Blocks<N>::Block;
  using Bits = typename Blocks<N>::Bits;
  static constexpr int size = N;
  Block v[static_cast<std::size_t>(count)];

  MOLMO_INLINE static Integers broadcast(std::int64_t x) {
    return each_block([x](int) { return Block{} + x; });
  }
  MOLMO_INLINE static Integers count_from(std::int64_t first) {
    Block step{};
    MOLMO_UNROLL
    for (int i = 0; i < lanes; ++i) step[i] = i;
    return each_block([&](int b) { return step + (first + b * lanes); });
  }
  template <class T>
  MOLMO_INLINE static Integers load(const T* p) {
    typedef T Narrow __attribute__((vector_size(static_cast<unsigned>(lanes) * sizeof(T))));
    return each_block([p](int b) {
      Narrow narrow;
      __builtin_memcpy(&narrow, p + b * lanes, sizeof narrow);
      return __builtin_convertvector(narrow, Block);
    });
  }
  template <class T>
  MOLMO_INLINE static Integers load(const T* p, int count_of_them) {
    T whole[N] = {};
    for (int i = 0; i < count_of_them; ++i) whole[i] = p[i];
    return load(whole);
  }
  template <class T>
  MOLMO_INLINE void store(T* p) const {
    typedef T Narrow __attribute__((vector_size(static_cast<unsigned>(lanes) * sizeof(T))));
    MOLMO_UNROLL
    for (int b = 0; b < count; ++b) {
      const Narrow narrow = __builtin_convertvector(v[b], Narrow);
      __builtin_memcpy(p + b * lanes, &narrow, sizeof narrow);
    }
  }
  template <class T>
  MOLMO_INLINE void store(T* p, int count_of_them) const {
    T whole[N];
    store(whole);
    for (int i = 0; i < count_of_them; ++i) p[i] = whole[i];
  }

  MOLMO_INLINE std::int64_t operator[](int i) const { return v[i / lanes][i % lanes]; }
  // f(0), f(1), ... of neighbours, and of blocks.
  template <class F>
  MOLMO_INLINE static Integers each(F f) {
    std::int64_t lane[N];
    for (int i = 0; i < N; ++i) lane[i] = f(i);
    return load(lane);
  }
  template <class F>
  MOLMO_INLINE static Integers each_block(F f) {
    Integers out;
    MOLMO_UNROLL
    for (int b = 0; b < count; ++b) out.v[b] = f(b);
    return out;
  }
  template <class F>
  MOLMO_INLINE static IntegerMask<N> test(F f) {
    IntegerMask<N> out;
    MOLMO_UNROLL
    for (int b = 0; b < count; ++b) out.v[b] = f(b);
    return out;
  }
  // Per lane: mask ? a : b, the mask being all ones or zeros.
  MOLMO_INLINE static Block blend(Block mask, Block a, Block b) { return (a & mask) | (b & ~mask); }
  MOLMO_INLINE static Integers chosen(const bool (&c)[N], const Integers& a, const Integers& b) {
    const Integers ones = load(reinterpret_cast<const std::int8_t*>(c));
    return each_block([&](int i) { return blend(-ones.v[i], a.v[i], b.v[i]); });
  }

  MOLMO_INLINE friend Integers operator+(const Integers& a, const Integers& b) {
    return each_block([&](int i) { return (Block)((Bits)a.v[i] + (Bits)b.v[i]); });
  }
  MOLMO_INLINE friend Integers operator-(const Integers& a, const Integers& b) {
    return each_block([&](int i) { return (Block)((Bits)a.v[i] - (Bits)b.v[i]); });
  }
  MOLMO_INLINE friend Integers operator*(const Integers& a, const Integers& b) {
    return each_block([&](int i) { return (Block)((Bits)a.v[i] * (Bits)b.v[i]); });
  }
  MOLMO_INLINE friend Integers operator/(const Integers& a, const Integers& b) {
    return each([&](int i) { return quotient(a[i], b[i]); });
  }
  MOLMO_INLINE friend Integers operator%(const Integers& a, const Integers& b) {
    return each([&](int i) { return remainder(a[i], b[i]); });
  }
  MOLMO_INLINE friend Integers operator-(const Integers& a) { return broadcast(0) - a; }
  MOLMO_INLINE friend Integers abs(const Integers& a) {
    const Integers negative = -a;
    return each_block([&](int i) { return blend(a.v[i] < 0, negative.v[i], a.v[i]); });
  }
  MOLMO_INLINE friend Integers larger(const Integers& a, const Integers& b) {
    return each_block([&](int i) { return blend(a.v[i] > b.v[i], a.v[i], b.v[i]); });
  }
  MOLMO_INLINE friend Integers smaller(const Integers& a, const Integers& b) {
    return each_block([&](int i) { return blend(a.v[i] < b.v[i], a.v[i], b.v[i]); });
  }
  MOLMO_INLINE friend IntegerMask<N> operator<(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] < b.v[i]; });
  }
  MOLMO_INLINE friend IntegerMask<N> operator<=(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] <= b.v[i]; });
  }
  MOLMO_INLINE friend IntegerMask<N> operator==(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] == b.v[i]; });
  }
  MOLMO_INLINE friend IntegerMask<N> operator!=(const Integers& a, const Integers& b) {
    return test([&](int i) { return a.v[i] != b.v[i]; });
  }
};

}  // namespace detail::inline MOLMO_ISA
}  // namespace molmo::inline v0

#endif
