// SPDX-License-Identifier: Apache-2.0
// C++17: one sentence, and nothing after it.
// mistake: -std=c++17
// expect: error: .*molmo: this library is written in C\+\+20
#include <molmo/molmo.hpp>

int run() { return 0; }
