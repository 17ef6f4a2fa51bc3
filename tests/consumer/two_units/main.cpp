// SPDX-License-Identifier: Apache-2.0
// Both units in one program: each is right by its own plain loops, and they agree.
#include "work.hpp"

#include <cmath>
#include <cstdio>

int main() {
  const Work a = portable(), b = native();
  std::printf("portable: %g off, total %g, token %d\n", static_cast<double>(a.worst), static_cast<double>(a.total), a.token);
  std::printf("native:   %g off, total %g, token %d\n", static_cast<double>(b.worst), static_cast<double>(b.total), b.token);
  const bool right = a.done && b.done && a.worst < 0.05f && b.worst < 0.05f;  // q8 rounds activations to bytes
  return right && std::fabs(a.total - b.total) < 0.01f * std::fabs(a.total) && a.token == b.token ? 0 : 1;
}
