// SPDX-License-Identifier: Apache-2.0
// How the calling thread rounds: the direction, and whether subnormal numbers are flushed to zero. It belongs to a
// thread, so who lets others calculate has to hand it on (backend/executor.hpp): else the number of threads changes
// bits. Its instructions have an AVX form (vldmxcsr), so these functions belong to the instruction set of their file.
#pragma once

#include <molmo/core/platform.hpp>

#include <cstdint>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// The bits that change results and traps, without those that report what happened. 0 on other machines.
using FloatMode = std::uint64_t;

[[nodiscard]] inline FloatMode float_mode() {
#if defined(__SSE__)
  return _mm_getcsr() & ~0x3fU;
#elif defined(__aarch64__)
  FloatMode mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}

inline void set_float_mode([[maybe_unused]] FloatMode mode) {
#if defined(__SSE__)
  _mm_setcsr(static_cast<unsigned>(mode) | (_mm_getcsr() & 0x3fU));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(mode));
#endif
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA
