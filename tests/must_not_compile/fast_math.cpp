// SPDX-License-Identifier: Apache-2.0
// A flag that deletes the checks for NaN.
// mistake: -ffast-math
// expect: molmo: -ffast-math removes the NaN checks
#include <molmo/core/tensor.hpp>

int run() { return 0; }
