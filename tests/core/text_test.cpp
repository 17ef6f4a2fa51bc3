// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/text.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <cstdlib>
#include <limits>

using molmo::text;

TEST_CASE("text puts words and numbers one after another") {
  CHECK(text() == "");
  CHECK(text("tensor '", std::string("a.b"), "' has ", 12, " bytes") == "tensor 'a.b' has 12 bytes");
  CHECK(text(std::string_view("x\0y", 3)).size() == 3);
  CHECK(text('a', 'b') == "ab");
  CHECK(text(true, ' ', false) == "true false");
  CHECK(text(-1, ' ', 0u) == "-1 0");
  CHECK(text(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(text(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(text(std::uint8_t{65}) == "65");
}

TEST_CASE("text writes floating-point numbers with the shortest digits that read back") {
  CHECK(text(0.1) == "0.1");
  CHECK(text(0.1f) == "0.1");
  CHECK(text(1e-5) == "1e-05");
  CHECK(text(-2.5) == "-2.5");
  CHECK(text(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(std::strtod(text(std::numeric_limits<double>::denorm_min()).c_str(), nullptr) ==
        std::numeric_limits<double>::denorm_min());
  CHECK(std::strtod(text(std::numeric_limits<double>::max()).c_str(), nullptr) == std::numeric_limits<double>::max());
}
