// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/result.hpp>

#include "support/catch.hpp"

#include <memory>
#include <string>

using namespace molmo;

namespace {

// Counts its living copies, so that a value constructed or destroyed once too often is seen.
struct Tracked {
  static inline int alive = 0;
  std::string text;
  explicit Tracked(std::string s) : text(std::move(s)) { ++alive; }
  Tracked(const Tracked& o) : text(o.text) { ++alive; }
  Tracked(Tracked&& o) noexcept : text(std::move(o.text)) { ++alive; }
  Tracked& operator=(const Tracked&) = default;
  Tracked& operator=(Tracked&&) = default;
  ~Tracked() { --alive; }
};

const char* long_text = "a text that is long enough to be on the heap and not inside the string object";

result<Tracked> good() { return Tracked(long_text); }
result<Tracked> bad() { return fail(errc::format, text("broken at ", 7, ": ", long_text)); }

}  // namespace

TEST_CASE("a result has a value or an error") {
  {
    auto g = good();
    REQUIRE(g);
    CHECK(g.has_value());
    CHECK(g->text == long_text);
    CHECK((*g).text == long_text);
    auto b = bad();
    REQUIRE_FALSE(b);
    CHECK(b.error().code == errc::format);
    CHECK(b.error().message == text("broken at 7: ", long_text));
  }
  CHECK(Tracked::alive == 0);
}

TEST_CASE("copies, moves and assignments between both states") {
  {
    for (const bool to_good : {true, false})
      for (const bool from_good : {true, false}) {
        auto to = to_good ? good() : bad();
        const auto from = from_good ? good() : bad();
        to = from;  // copy
        CHECK(to.has_value() == from_good);
        if (from_good)
          CHECK((from->text == long_text && to->text == long_text));
        else
          CHECK((from.error().message == to.error().message && !from.error().message.empty()));

        auto again = to_good ? good() : bad();
        auto moved = from_good ? good() : bad();
        again = std::move(moved);
        CHECK(again.has_value() == from_good);
        if (from_good)
          CHECK(again->text == long_text);
        else
          CHECK(again.error().code == errc::format);

        const auto copy = again;
        CHECK(copy.has_value() == from_good);
        const auto constructed = std::move(again);
        CHECK(constructed.has_value() == from_good);
      }
    auto self = good();
    auto& same = self;
    self = same;
    REQUIRE(self);
    CHECK(self->text == long_text);
    auto wrong = bad();
    auto& as_wrong = wrong;
    wrong = as_wrong;
    CHECK(wrong.error().code == errc::format);
  }
  CHECK(Tracked::alive == 0);
}

TEST_CASE("values that only move") {
  result<std::unique_ptr<int>> r = std::make_unique<int>(3);
  REQUIRE(r);
  const std::unique_ptr<int> taken = *std::move(r);
  CHECK(*taken == 3);
  result<std::unique_ptr<int>> f = fail(errc::not_found, "no such thing");
  f = result<std::unique_ptr<int>>(std::make_unique<int>(4));
  REQUIRE(f);
  CHECK(**f == 4);
}

TEST_CASE("status: success or an error") {
  const status fine;
  CHECK(fine);
  const status wrong = fail(errc::io, "the disk is gone");
  CHECK_FALSE(wrong);
  CHECK(wrong.error().code == errc::io);
  const status again = fail(wrong.error());
  CHECK(again.error().message == "the disk is gone");
}

TEST_CASE("or_throw gives the value or throws the same message") {
  CHECK(or_throw(good()).text == long_text);
  CHECK_NOTHROW(or_throw(status{}));
  CHECK_THROWS_AS(or_throw(status(fail(errc::io, "x"))), molmo::exception);
  bool caught = false;
  try {
    (void)or_throw(bad());
  } catch (const molmo::exception& e) {
    caught = true;
    CHECK(e.code == errc::format);
    CHECK(std::string(e.what()) == bad().error().message);
  }
  CHECK(caught);
}
