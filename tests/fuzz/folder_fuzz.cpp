// SPDX-License-Identifier: Apache-2.0
// Fuzzes what a program does with a folder that somebody sent: Checkpoint::open with its index and shards, load() into
// a type, and a text from its tokenizer and its generation_config.json. folder.hpp says what an input looks like; bits
// of its first byte choose how the files are read.
#include "folder.hpp"
#include "fuzz.hpp"
#include "growth.hpp"

#include <molmo/io/checkpoint.hpp>
#include <molmo/io/companions.hpp>
#include <molmo/io/tokenizer/tokenizer.hpp>
#include <molmo/io/tokenizer/unicode.hpp>
#include <molmo/run/generate.hpp>
#include <molmo/run/session.hpp>
#include <molmo/run/weights.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include <cmath>

using namespace molmo;
using molmo_fuzz::expect;
using molmo_fuzz::expect_message;

namespace {

using Tiny = Llm<molmo_fuzz::tiny>;

#if MOLMO_HAS_XSIMD
const Xsimd<>& machine() {
  static const Xsimd<> cpu(1);
  return cpu;
}
#else
Reference machine() { return {}; }
#endif

bool check_checkpoint(const std::string& folder, bool copy) {
  const result<Checkpoint> c = Checkpoint::open(folder, {.copy = copy});
  if (!c) return expect_message(c.error().message), false;
  std::uint64_t bytes = 0;
  unsigned touched = 0;
  for (const TensorInfo* t : c->tensors()) {
    expect(c->find(t->name) == t, "every tensor is found by its name");
    expect(c->metadata_of(*t).size() < 100'000, "metadata come from the file");
    for (const std::byte b : t->bytes) touched += std::to_integer<unsigned>(b);
    bytes += t->bytes.size();
  }
  expect(touched != ~0u, "bytes are readable");
  expect(bytes == c->bytes(), "the sum is right");
  return true;
}

void check_text(const Loaded<Tiny>& loaded, const std::string& folder) {
  auto session = make_session(loaded, machine(), {.context = 16, .prefill_chunk = 4});
  expect(session.has_value(), "a session starts");
  const result<Tokenizer> tokenizer = Tokenizer::from_file(folder + "/tokenizer.json");
  const result<GenerationConfig> wishes = read_generation_config(folder);
  if (!wishes) expect_message(wishes.error().message);
  if (!tokenizer || !wishes) {
    if (!tokenizer) expect_message(tokenizer.error().message);
    const std::int32_t ids[] = {1, 5, 15, 0, 7};
    const auto logits = session->prefill(ids);
    expect(logits.has_value() && logits->size() == 16, "ids of the vocabulary can be read");
    return;
  }
  GenerateOptions options = GenerateOptions::of(*wishes);
  options.max_new = 6;
  std::string all;
  const auto done = generate(*session, *tokenizer, "a ab", options, [&](std::string_view piece) {
    expect(!tokenizer::first_invalid_utf8(piece), "a text is UTF-8");
    all += piece;
    return true;
  });
  if (!done) return expect_message(done.error().message);
  expect(done->new_tokens <= 6 && session->length() <= 16, "a text ends");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static molmo_fuzz::Folder folder;
  [[maybe_unused]] static const auto warm = machine();  // its pool counts for no input
  if (size == 0) return 0;
  const std::size_t bytes = folder.fill({reinterpret_cast<const char*>(data) + 1, size - 1});
  const molmo_fuzz::Growth growth(bytes);
  const bool copy = (data[0] & 1) != 0;
  const bool opens = check_checkpoint(folder.model(), copy);
  if (const auto beside = read_companions(folder.model()); !beside) expect_message(beside.error().message);

  const Packing pack = (data[0] & 2) != 0 ? Packing::always : Packing::never;
  const result<Loaded<Tiny>> loaded = load<Tiny>(folder.model(), {.copy = copy, .pack = pack});
  if (!loaded) {
    molmo_fuzz::expect_report(loaded.error().message);
    return 0;
  }
  expect(opens, "what loads can be opened");
  check_text(*loaded, folder.model());
  return 0;
}
