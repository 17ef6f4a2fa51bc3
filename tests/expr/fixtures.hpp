// SPDX-License-Identifier: Apache-2.0
// What the expression tests share: numbers to calculate with, a measure of error, and every backend in turn.
#pragma once

#include <molmo/core/contract.hpp>
#include <molmo/expr/reduce.hpp>
#if MOLMO_HAS_XSIMD && !defined(__CUDACC__)
#include <molmo/backend/xsimd_rows.hpp>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace fixtures {

using molmo::dyn;
using molmo::index_t;

// A vector on the heap that ends exactly where its elements end, so that AddressSanitizer sees every step too far.
template <class T>
class Numbers {
 public:
  explicit Numbers(index_t n) : data_(static_cast<std::size_t>(n)) {}
  // Spread over (-range, range), the same for a seed on every machine.
  Numbers(index_t n, std::uint32_t seed, double range = 4) : Numbers(n) {
    std::uint64_t s = seed * 2654435761u + 1;
    for (index_t i = 0; i < n; ++i) {
      T& x = (*this)[i];
      s = s * 6364136223846793005u + 1442695040888963407u;
      x = T(static_cast<float>((static_cast<double>(s >> 40) / 8388608.0 - 1.0) * range));
    }
  }
  // The optimiser loses sight of how many there are: else it warns of the very mistakes that tests make on purpose.
  [[nodiscard]] T* data() {
    T* first = reinterpret_cast<T*>(data_.data());
    asm("" : "+r"(first));
    return first;
  }
  [[nodiscard]] index_t size() const { return static_cast<index_t>(data_.size()); }
  T& operator[](index_t i) { return data()[static_cast<std::size_t>(i)]; }
  const T& operator[](index_t i) const { return reinterpret_cast<const T*>(data_.data())[static_cast<std::size_t>(i)]; }
  // All elements as tokens of D numbers, or as one number per token.
  template <index_t... D>
  [[nodiscard]] molmo::View<T, molmo::Shape<dyn, D...>> tokens() {
    return {data(), size() / (index_t{1} * ... * D)};
  }
  template <index_t... D>
  [[nodiscard]] molmo::View<T, molmo::Shape<D...>> fixed() {
    return molmo::View<T, molmo::Shape<D...>>(data());
  }
  [[nodiscard]] bool same_bits(const Numbers& other) const {
    return data_.size() == other.data_.size() &&
           std::memcmp(data_.data(), other.data_.data(), data_.size() * sizeof(T)) == 0;
  }

 private:
  // std::vector<bool> has no elements in memory.
  std::vector<std::conditional_t<std::is_same_v<T, bool>, unsigned char, T>> data_;
};

// What a statement is refused with, empty where it is not.
template <class Statement>
std::string refusal(Statement&& statement) {
  try {
    statement();
  } catch (const molmo::contract_error& e) {
    return e.what();
  }
  return "";
}
inline bool has(const std::string& s, const char* words) { return s.find(words) != std::string::npos; }

// The distance between neighbours of type T at x.
template <class T>
double unit(double x) {
  const int digits = std::is_same_v<T, float>        ? 24
                     : std::is_same_v<T, double>     ? 53
                     : std::is_same_v<T, molmo::f16> ? 11
                                                     : 8;
  const int least = std::is_same_v<T, float>        ? -149
                    : std::is_same_v<T, double>     ? -1074
                    : std::is_same_v<T, molmo::f16> ? -24
                                                    : -133;
  if (x == 0 || !std::isfinite(x)) return std::ldexp(1.0, least);
  const int exponent = std::ilogb(x) - digits + 1;
  return std::ldexp(1.0, exponent > least ? exponent : least);
}

// |got - want| in units in the last place of want.
template <class T>
double ulps(T got, double want) {
  const double g = static_cast<double>(got);
  if (std::isnan(want) || std::isnan(g))
    return std::isnan(want) == std::isnan(g) ? 0 : std::numeric_limits<double>::infinity();
  if (std::isinf(g) || std::isinf(want)) return g == want ? 0 : std::numeric_limits<double>::infinity();
  return std::fabs(g - want) / unit<T>(want);
}

// body(ctx) for the plain loops and for the SIMD backend with 1, 2, 3 and 8 threads.
template <class Body>
void for_each_backend(Body&& body) {
  body(molmo::Reference{});
#if MOLMO_HAS_XSIMD && !defined(__CUDACC__)
  for (const int threads : {1, 2, 3, 8}) body(molmo::Xsimd{threads});
#endif
}
template <class Body>
void for_each_kind_of_backend(Body&& body) {
  body(molmo::Reference{});
#if MOLMO_HAS_XSIMD && !defined(__CUDACC__)
  body(molmo::Xsimd{2});
#endif
}

}  // namespace fixtures
