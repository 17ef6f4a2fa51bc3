// SPDX-License-Identifier: Apache-2.0
// fusion.cpp once more, with xtensor's own use of xsimd: a program of its own, because the switch changes what
// xtensor's templates mean.
#include "common.hpp"

#if __has_include(<xsimd/xsimd.hpp>)
#define XTENSOR_USE_XSIMD
#endif
#include "fusion.cpp"
