// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: words that it must not say.
#pragma once

#define MOLMO_MINE 1

inline void words(bool x) {
  static_assert(true, "assert( is allowed in a string, and in a comment: abort(");  // exit(
  /* printf( is no breach here,
     std::cout neither */
  assert(x);
  std::abort();
  if (!x) throw 1;
  char quote = '"'; printf("x");
  std::cout << quote;
}
