// SPDX-License-Identifier: Apache-2.0
// A flag that deletes the checks for NaN.
// mistake: -ffinite-math-only
// expect: molmo: -ffinite-math-only removes NaN checks
#include <molmo/core/tensor.hpp>

int run() { return 0; }
