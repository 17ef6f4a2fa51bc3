// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: names that are macros elsewhere.
#pragma once

template <class I>
I worst(I a, I b) {
  const I small = std::max(a, b);
  return (std::max)(small, std::numeric_limits<I>::max());
}
