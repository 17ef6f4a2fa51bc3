// SPDX-License-Identifier: Apache-2.0
// A flag that reorders sums, and folds roundings that are written as an addition and a subtraction.
// needs: GNU
// mistake: -fassociative-math -fno-signed-zeros -fno-trapping-math
// expect: molmo: -fassociative-math reorders sums
#include <molmo/core/tensor.hpp>

int run() { return 0; }
