// SPDX-License-Identifier: Apache-2.0
// What the fuzz harnesses share: a check that is not compiled away, and what every message must be like.
//
// Each harness is one LLVMFuzzerTestOneInput: linked with -fsanitize=fuzzer it is a fuzzer, linked with corpus_main.cpp
// a program that runs files. The first byte of an input says how the rest is meant, so that seeds can be plain text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace molmo_fuzz {

inline void expect(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

/// One sentence: not empty, bounded, and nothing of the input's that a terminal would obey.
inline void expect_message(std::string_view message) {
  expect(!message.empty() && message.size() < 1000, "a message is a sentence");
  for (const char c : message) expect(c >= 0x20 && c < 0x7f, "a message is printable ASCII");
}

}  // namespace molmo_fuzz
