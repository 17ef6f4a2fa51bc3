// SPDX-License-Identifier: Apache-2.0
// Decoding: bytes to UTF-8 at boundaries, SentencePiece-style chains, Metaspace; the stream does what the whole does.
#include "support.hpp"

#include <support/count_allocations.hpp>

using namespace tokenizer_test;

namespace {

molmo::Tokenizer loaded(const File& f) {
  auto t = f.load();
  INFO((t ? "" : t.error().message));
  REQUIRE(t);
  return *t;
}

constexpr const char* fffd = "\xEF\xBF\xBD";

const char* const chain = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
                          R"({"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";

File sentencepiece() {
  File f;
  f.vocab = R"({"▁a":0,"b":1,"<0xE2>":2,"<0x96>":3,"<0x81>":4,"<0x41>":5,"▁":6,"<0xZZ>":7,"<0x-1>":8,"<0x100>":9,"<0x+1>":10})";
  f.merges = "[]";
  f.decoder = chain;
  return f;
}

}  // namespace

TEST_CASE("bytes become U+FFFD per maximal invalid part", "[tokenizer]") {
  const auto t = loaded(byte_level());
  const auto text = [&](const Ids& ids) {
    CHECK(streamed(t, ids) == t.decode(ids));
    return t.decode(ids);
  };
  CHECK(text({0xE6, 0x97, 0xA5}) == "日");
  CHECK(text({0xE6, 0x97}) == fffd);
  CHECK(text({0xE6, 0x97, 'a'}) == std::string(fffd) + "a");
  CHECK(text({0xE6, 0xE6, 0x97, 0xA5}) == std::string(fffd) + "日");
  CHECK(text({0xFF, 0x80, 0xC0}) == std::string(fffd) + fffd + fffd);
  CHECK(text({0xF0, 0x9F, 0x91, 0xF0, 0x9F, 0x91, 0x8D}) == std::string(fffd) + "👍");
  CHECK(text({0xED, 0xA0, 0x80}) == std::string(fffd) + fffd + fffd);
  CHECK(text({-1, 'a', 100000, 2147483647, -2147483647}) == "a");  // ids that are no tokens are skipped
}

TEST_CASE("the stream gives out whole characters as soon as they are complete", "[tokenizer]") {
  const auto t = loaded(byte_level());
  molmo::StreamDecoder s(t);
  CHECK(s.push('a') == "a");
  CHECK(s.push(0xF0).empty());
  CHECK(s.push(0x9F).empty());
  CHECK(s.push(0x91).empty());
  CHECK(s.push(0x8D) == "👍");
  CHECK(s.push(0xC3).empty());
  CHECK(s.push('x') == std::string(fffd) + "x");
  CHECK(s.push(0xC3).empty());
  CHECK(s.finish() == fffd);
  CHECK(s.push(0xA9) == fffd);  // a new text begins
  CHECK(s.finish().empty());
}

TEST_CASE("SentencePiece-style chains", "[tokenizer]") {
  const auto t = loaded(sentencepiece());
  const auto text = [&](const Ids& ids) {
    CHECK(streamed(t, ids) == t.decode(ids));
    return t.decode(ids);
  };
  CHECK(text({0, 0, 1}) == "a ab");
  CHECK(text({6, 6, 0}) == "  a");              // one space is stripped, at the start only
  CHECK(text({2, 3, 4, 1}) == "▁b");            // three byte tokens, one character
  CHECK(text({2, 3, 1}) == std::string(fffd) + fffd + "b");
  CHECK(text({5, 2, 3, 4, 2}) == std::string(fffd) + fffd + fffd + fffd + fffd);  // one bad byte spoils its whole run
  CHECK(text({7, 8, 9}) == "<0xZZ><0x-1><0x100>");  // no byte tokens
  CHECK(text({10}) == "\x01");                      // Rust's parser takes the plus
  molmo::StreamDecoder s(t);
  CHECK(s.push(6).empty());
  CHECK(s.push(2).empty());
  CHECK(s.push(3).empty());
  CHECK(s.push(4).empty());
  CHECK(s.push(0) == "▁ a");
  CHECK(s.push(2).empty());
  CHECK(s.push(2) == std::string(fffd) + fffd);  // broken now, whatever follows
  CHECK(s.push(5) == fffd);
  CHECK(s.push(1) == "b");
  CHECK(s.finish().empty());
}

TEST_CASE("Strip without Fuse, Metaspace, and no decoder", "[tokenizer]") {
  File f = sentencepiece();
  f.decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"Strip","content":" ","start":1,"stop":0}]})";
  CHECK(loaded(f).decode(Ids{0, 0, 6, 1}) == "aab");
  f.decoder = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})";
  CHECK(loaded(f).decode(Ids{0, 6, 0}) == "a  a");
  f.decoder = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"never"})";
  CHECK(loaded(f).decode(Ids{0, 0}) == " a a");
  f.decoder = "null";
  CHECK(loaded(f).decode(Ids{0, 1, 1}) == "▁a b b");
  for (const char* unknown : {R"({"type":"WordPiece","prefix":"##","cleanup":true})", R"({"type":"CTC"})",
                              R"({"type":"Sequence","decoders":[{"type":"ByteLevel"},{"type":"Fuse"}]})",
                              R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"String":"a"},"content":"b"}]})",
                              R"({"type":"Replace","pattern":{"Regex":"a+"},"content":"b"})",
                              R"({"type":"Strip","content":" ","start":0,"stop":1})"}) {
    f.decoder = unknown;
    const auto t = f.load();
    REQUIRE_FALSE(t);
    CHECK(t.error().code == molmo::errc::unsupported);
  }
}

TEST_CASE("a stream allocates nothing in its steady state", "[tokenizer]") {
  for (const File& f : {byte_level(), sentencepiece()}) {
    const auto t = loaded(f);
    molmo::StreamDecoder s(t);
    const auto run = [&] {
      std::size_t bytes = 0;
      for (std::int32_t id = 0; id < t.size(); ++id) bytes += s.push(id).size();
      return bytes + s.finish().size();
    };
    const std::size_t bytes = run();
    const molmo_test::AllocationCount made;
    CHECK(run() == bytes);
    CHECK(made.count() == 0);
  }
}
