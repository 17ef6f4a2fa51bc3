// SPDX-License-Identifier: Apache-2.0
// What a unit returns: plain numbers, the same type in every file.
#pragma once

/// How far the fast loops lie from the plain ones, and what the two units have to agree on.
struct Work {
  float worst = 0;   ///< largest difference of any number to that of Reference
  float total = 0;   ///< of all numbers that were calculated
  int token = -1;    ///< chosen from the logits of a small model
  bool done = false;
};

Work portable();
Work native();
