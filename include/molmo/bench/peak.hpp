// SPDX-License-Identifier: Apache-2.0
// What the arithmetic of this machine can do at best, with the threads and the instruction set of a backend:
//
//   measure_flops(cpu, effort)   f32 multiply-adds, two operations each
//   measure_int8(cpu, effort)    products of bytes added to 32 bits, two operations each
//   measure_barrier(cpu)         seconds of a parallel step that does nothing: what each step of a model pays on top
// Threads are pinned to cores meanwhile: these are limits.
// Twelve independent sums keep two units of a latency of four or five cycles busy; operands stay in registers. Bytes
// are multiplied as a quantised kernel does: vpdpbusd (AVX-512 VNNI), sdot (Arm), maddubs + madd + add (AVX2, AVX-512),
// and otherwise in a plain loop.
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/bench/micro.hpp>
#include <molmo/bench/pin.hpp>

#include <cstdint>
#if defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

namespace molmo::inline v0 {

/// Something per second: the median over the batches, and the extremes.
struct Rate {
  double median = 0, min = 0, max = 0;
};

enum class Effort { quick, full };

namespace detail {

inline TimingOptions machine_timing(Effort effort) {
  return effort == Effort::quick ? TimingOptions{.warm_up_seconds = 0.002, .batch_seconds = 0.0003, .batches = 31}
                                 : TimingOptions{.warm_up_seconds = 0.02, .batch_seconds = 0.0005, .batches = 401};
}

// `amount` per call as a rate.
inline Rate rate_of(double amount, const Timing& t) {
  const auto per_second = [&](double seconds) { return seconds > 0 ? amount / seconds : 0; };
  return {per_second(t.median), per_second(t.max), per_second(t.min)};
}

inline constexpr int fma_chains = 12;

template <class V>
float fma_work(long steps) {
  V a[fma_chains];
  for (int i = 0; i < fma_chains; ++i) a[i] = V::broadcast(static_cast<float>(i));
  V scale = V::broadcast(0.999f), step = V::broadcast(0.001f);
  keep(scale);
  keep(step);
  for (long s = 0; s < steps; ++s) {
    MOLMO_UNROLL
    for (V& chain : a) chain = fma(chain, scale, step);
  }
  V total = a[0];
  for (int i = 1; i < fma_chains; ++i) total = total + a[i];
  return reduce_add(total);
}

// The dot product of bytes, `products` at a time: sum += a . b, where the compiler believes that `a` is new every time.
// `Level` keeps the versions of differently compiled units apart.
inline constexpr int int8_level = MOLMO_VNNI ? 3 : MOLMO_AVX512 ? 2 : MOLMO_AVX2 ? 1 : 0;

template <int Bytes, int Level>
struct Int8Dot {
  static constexpr long products = 32;
  struct Sum {
    std::int32_t lane[8] = {};
    [[nodiscard]] std::int32_t first() const { return lane[0]; }
  };
  struct Operand {
    std::int8_t byte[32];
  };
  static Operand operand(std::int8_t value) {
    Operand o;
    for (std::int8_t& b : o.byte) b = value;
    return o;
  }
  static void add(Sum& sum, Operand& a, const Operand& b) {
    keep(a);
    for (int i = 0; i < 8; ++i) {
      std::int32_t dot = 0;
      for (int k = 0; k < 4; ++k) dot += std::int32_t{a.byte[4 * i + k]} * std::int32_t{b.byte[4 * i + k]};
      sum.lane[i] += dot;
    }
  }
};

#if defined(__ARM_FEATURE_DOTPROD)
template <int Level>
struct Int8Dot<16, Level> {
  static constexpr long products = 16;
  using Operand = int8x16_t;
  struct Sum {
    int32x4_t lanes = vdupq_n_s32(0);
    [[nodiscard]] std::int32_t first() const { return vgetq_lane_s32(lanes, 0); }
  };
  static Operand operand(std::int8_t value) { return vdupq_n_s8(value); }
  static void add(Sum& sum, Operand& a, const Operand& b) {
    asm volatile("" : "+w"(a));
    sum.lanes = vdotq_s32(sum.lanes, a, b);
  }
};
#endif

#if MOLMO_AVX2
template <int Level>
struct Int8Dot<32, Level> {
  static constexpr long products = 32;
  using Operand = __m256i;
  struct Sum {
    __m256i lanes = _mm256_setzero_si256();
    [[nodiscard]] std::int32_t first() const { return _mm256_cvtsi256_si32(lanes); }
  };
  static Operand operand(std::int8_t value) { return _mm256_set1_epi8(value); }
  static void add(Sum& sum, Operand& a, const Operand& b) {
    asm volatile("" : "+x"(a));
    sum.lanes = _mm256_add_epi32(sum.lanes, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
  }
};
#endif

#if MOLMO_AVX512
template <int Level>
struct Int8Dot<64, Level> {
  static constexpr long products = 64;
  using Operand = __m512i;
  struct Sum {
    __m512i lanes = _mm512_setzero_si512();
    [[nodiscard]] std::int32_t first() const { return _mm512_cvtsi512_si32(lanes); }
  };
  static Operand operand(std::int8_t value) { return _mm512_set1_epi8(value); }
  static void add(Sum& sum, Operand& a, const Operand& b) {
#if MOLMO_VNNI
    sum.lanes = _mm512_dpbusd_epi32(sum.lanes, a, b);
#else
    asm volatile("" : "+v"(a));
    sum.lanes = _mm512_add_epi32(sum.lanes, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)));
#endif
  }
};
#endif

template <class Dot>
std::int32_t int8_work(long steps) {
  typename Dot::Sum sums[fma_chains];
  auto a = Dot::operand(3);
  const auto b = Dot::operand(-2);
  for (long s = 0; s < steps; ++s) {
    MOLMO_UNROLL
    for (auto& sum : sums) Dot::add(sum, a, b);
  }
  std::int32_t total = 0;
  for (const auto& sum : sums) total += sum.first();
  return total;
}

}  // namespace detail

/// f32 operations per second, a multiply-add counting two, all threads of `cpu` together.
template <class Arch>
[[nodiscard]] Rate measure_flops(const Xsimd<Arch>& cpu, Effort effort) {
  constexpr long steps = 2000;
  const PinThreads pin(cpu);
  const Timing t = time_calls([&] { cpu.parallel([&](int, int) { keep(detail::fma_work<Lanes<Arch>>(steps)); }); },
                              detail::machine_timing(effort));
  return detail::rate_of(2.0 * detail::fma_chains * steps * Lanes<Arch>::size * cpu.threads(), t);
}

/// Operations on bytes per second, a multiply-add counting two, all threads of `cpu` together.
template <class Arch, int Level = detail::int8_level>
[[nodiscard]] Rate measure_int8(const Xsimd<Arch>& cpu, Effort effort) {
  using Dot = detail::Int8Dot<Lanes<Arch>::size* static_cast<int>(sizeof(float)), Level>;
  constexpr long steps = 2000;
  const PinThreads pin(cpu);
  const Timing t = time_calls([&] { cpu.parallel([&](int, int) { keep(detail::int8_work<Dot>(steps)); }); },
                              detail::machine_timing(effort));
  return detail::rate_of(2.0 * detail::fma_chains * steps * Dot::products * cpu.threads(), t);
}

/// Seconds of a parallel step that does nothing, the threads being awake. With one thread: of calling a function.
template <class Ctx>
[[nodiscard]] Timing measure_barrier(const Ctx& cpu) {
  const PinThreads pin(cpu);
  return time_calls([&] { cpu.parallel([](int part, int) { keep(part); }); },
                    TimingOptions{.warm_up_seconds = 0.01, .batch_seconds = 0.0002, .batches = 101});
}

}  // namespace molmo::inline v0
