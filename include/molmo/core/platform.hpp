// SPDX-License-Identifier: Apache-2.0
// The macros of the library, all of them, and every question about the compiler.
//
//   MOLMO_HD             runs on the host and, under nvcc, on the device as well
//   MOLMO_INLINE         as MOLMO_HD, and always inlined: for the innermost bodies of kernels
//   MOLMO_NOINLINE       one copy, never inlined: for kernels behind pointers, and for what builds errors
//   MOLMO_UNROLL         asks for the next loop to be unrolled in full
//   MOLMO_LIFETIMEBOUND  the result borrows from this argument (clang warns when it dangles)
//   MOLMO_EXCEPTIONS     1 when exceptions are enabled, else 0
//   MOLMO_AVX2, MOLMO_AVX512   1 when this translation unit may use those instructions, else 0 (backend/lanes.hpp
//                        chooses by the architecture in its type; these only say whether the intrinsics exist)
//   MOLMO_VNNI           the same for the int8 dot products of AVX-512 (vpdpbusd)
//   MOLMO_ISA            a short name of the instruction set of this translation unit. What calculates
//                        lies in `inline namespace MOLMO_ISA`, so that the linker never takes the copy of a unit with
//                        another -march for it: see docs/embed.md. Types that only hold data are the same everywhere
#pragma once

// One sentence instead of hundreds of errors: what cannot be found ends the compilation.
#if __cplusplus < 202002L
#error "molmo: this library is written in C++20; compile with -std=c++20 (CMake: target_compile_features cxx_std_20)"
#include <molmo_needs_a_newer_standard>
#endif

#if defined(__CUDACC__)
#define MOLMO_HD __host__ __device__
#define MOLMO_INLINE __host__ __device__ __forceinline__
#if defined(__CUDA_ARCH__)
#define MOLMO_UNROLL _Pragma("unroll")
#else
#define MOLMO_UNROLL  // the host compiler behind nvcc
#endif
#elif defined(__clang__)
#define MOLMO_HD
#define MOLMO_INLINE inline __attribute__((always_inline))
#define MOLMO_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define MOLMO_HD
#define MOLMO_INLINE inline __attribute__((always_inline))
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOLMO_UNROLL  // the checks of unrolled kernels take the compiler minutes
#else
#define MOLMO_UNROLL _Pragma("GCC unroll 64")
#endif
#else
#define MOLMO_HD
#define MOLMO_INLINE inline
#define MOLMO_UNROLL
#endif

#if defined(__GNUC__)
#define MOLMO_NOINLINE __attribute__((noinline))
#else
#define MOLMO_NOINLINE
#endif

#if defined(__clang__) && !defined(__CUDACC__)
#define MOLMO_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define MOLMO_LIFETIMEBOUND
#endif

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#define MOLMO_EXCEPTIONS 1
#else
#define MOLMO_EXCEPTIONS 0
#endif

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && !defined(__CUDACC__)
#define MOLMO_AVX2 1
#else
#define MOLMO_AVX2 0
#endif
#if MOLMO_AVX2 && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define MOLMO_AVX512 1
#else
#define MOLMO_AVX512 0
#endif
#if MOLMO_AVX512 && defined(__AVX512VNNI__)
#define MOLMO_VNNI 1
#else
#define MOLMO_VNNI 0
#endif

#if defined(__CUDACC__)
#define MOLMO_ISA cu  // the same for the host and the device pass
#elif MOLMO_VNNI && defined(__AVX512FP16__)
#define MOLMO_ISA z4
#elif MOLMO_VNNI && defined(__AVX512VBMI2__)
#define MOLMO_ISA z3
#elif MOLMO_VNNI
#define MOLMO_ISA z2
#elif MOLMO_AVX512
#define MOLMO_ISA z1
#elif defined(__AVX512F__)
#define MOLMO_ISA z0
#elif MOLMO_AVX2 && defined(__AVXVNNI__)
#define MOLMO_ISA a3
#elif MOLMO_AVX2
#define MOLMO_ISA a2
#elif defined(__AVX2__)
#define MOLMO_ISA a1
#elif defined(__AVX__)
#define MOLMO_ISA a0
#elif defined(__SSE4_2__)
#define MOLMO_ISA s4
#elif defined(__SSSE3__)
#define MOLMO_ISA s3
#elif defined(__ARM_FEATURE_SVE)
#define MOLMO_ISA v1
#elif defined(__ARM_FEATURE_DOTPROD)
#define MOLMO_ISA n1
#else
#define MOLMO_ISA p0  // every machine of its kind
#endif

// NaN logits are detected and reported, and every sum has one order; these flags would take that away without a word.
// (clang does not tell that -fassociative-math is on.)
#if !defined(MOLMO_ALLOW_FAST_MATH)
#if defined(__FAST_MATH__)
#error "molmo: -ffast-math removes the NaN checks of this library; compile without it, or define MOLMO_ALLOW_FAST_MATH"
#elif defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "molmo: -ffinite-math-only removes NaN checks; compile without it, or define MOLMO_ALLOW_FAST_MATH"
#elif defined(__ASSOCIATIVE_MATH__)
#error "molmo: -fassociative-math reorders sums and roundings; compile without it, or define MOLMO_ALLOW_FAST_MATH"
#endif
#endif
