// SPDX-License-Identifier: Apache-2.0
// After make_session() nothing is allocated: not by prefill, decode, sample or generate_ids, with one thread or
// several. And an allocation that fails, whichever it is, is errc::out_of_memory, with nothing leaked, broken or left
// on disk.
#include <molmo/run/session.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif
#if MOLMO_HAS_IO
#include <molmo/run/any_llm.hpp>
#include <molmo/run/generate.hpp>
#include <molmo/run/perplexity.hpp>
#include <molmo/run/quantize.hpp>

#include "io/hostile.hpp"
#include "support/golden.hpp"
#endif

#include "support/compare.hpp"
#include "support/count_allocations.hpp"
#include "support/golden_configs.hpp"
#include "support/random_model.hpp"
#include "support/stored.hpp"

#include <filesystem>
#include <iterator>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

template <class Ctx>
std::size_t allocations_of_a_conversation(const Ctx& ctx, int times) {
  static const RandomWeights<Llm<olmo2>> model(1);
  auto s = make_session(*model, ctx, {.context = 64, .prefill_chunk = 20});
  REQUIRE(s);
  std::vector<std::int32_t> ids(40, 5);
  bool fine = true;
  std::size_t count = 0;
  for (int i = 0; i < times; ++i) {
    const AllocationCount made;
    std::stop_source stop(std::nostopstate);
    auto watch = [&](const Progress& p) { return p.done <= p.total; };
    fine = fine && s->prefill(ids, stop.get_token(), watch);
    for (std::uint64_t step = 0; step < 10; ++step) {
      const auto id = s->sample(step % 2 ? SamplingOptions{.temperature = 0.8, .top_k = 20, .top_p = 0.9} : SamplingOptions{}, step);
      fine = fine && id && s->decode(*id);
    }
    s->rewind();
#if MOLMO_HAS_IO
    int tokens = 0;
    const auto g = generate_ids(*s, ids, {.max_new = 12, .temperature = 1, .top_p = 0.9}, [&](std::int32_t) { return ++tokens < 100; });
    fine = fine && g && tokens == 12;
    s->rewind();
#endif
    count += made.count();
  }
  CHECK(fine);
  return count;
}

}  // namespace

TEST_CASE("allocations: this program counts them") {
  const AllocationCount made;
  int* volatile seen = new int(3);  // volatile: or the compiler removes the pair
  delete seen;
  CHECK(made.count() == 1);
#if MOLMO_TEST_COUNTS_MALLOC
  const AllocationCount also;
  const AlignedBytes bytes = AlignedBytes::zeroed(100, 1);  // by calloc
  CHECK(also.count() == 1);
#endif
}

TEST_CASE("allocations: none after make_session") {
  CHECK(allocations_of_a_conversation(Reference{}, 2) == 0);
#if MOLMO_HAS_XSIMD
  CHECK(allocations_of_a_conversation(Xsimd<>(), 3) == 0);
  for (const int threads : {2, 3, 8}) CHECK(allocations_of_a_conversation(Xsimd<>(threads), 3) == 0);
#endif
}

#if MOLMO_HAS_XSIMD
TEST_CASE("allocations: a product whose scratch memory is refused calculates without rounding activations") {
  Random random(1);
  const index_t k = 20000;  // a row of x as bytes is too large for the stack
  const auto x = random.numbers(k);
  for (const FormatId format : {format_id<Q8>, format_id<Q4>}) {
    const Stored w(random, format, 19, k, Layout::panels);
    const auto run = [&](const Xsimd<>& cpu) {
      std::vector<float> y(19);
      multiply(cpu, Rows{x.data(), 1, k, k}, Product<float, Acc>{w.m, y.data(), 19, acc});
      return y;
    };
    const Xsimd<> cpu, exact = Xsimd<>().exact();
    const auto want = run(exact);
    std::vector<float> got(19);
    {
      const FailAllocation refused(1);
      multiply(cpu, Rows{x.data(), 1, k, k}, Product<float, Acc>{w.m, got.data(), 19, acc});
    }
    REQUIRE_SAME_BITS(got, want);
    const auto later = run(cpu);  // now there is memory
    if (detail::Bytes<native>::fast) CHECK(later != want);
  }
}
#endif

#if MOLMO_HAS_IO
namespace {

// The k-th allocation of f() fails, for every k; and then also all that follow. f() returns a result: a value where
// there is memory enough, or the error `otherwise`.
template <class F>
void fails_cleanly(const char* what, F&& f, std::optional<errc> otherwise = {}) {
  for (const bool for_good : {false, true}) {
    std::size_t k = 1, errors = 0;
    for (bool reached = true; reached; ++k) {
      bool fine = false, says = true, escapes = false;
      errc code = errc::out_of_memory;
      try {
        const FailAllocation failing(k, for_good);
        const auto r = f();
        reached = FailAllocation::happened();
        fine = r.has_value() || r.error().code == otherwise;
        if (!fine) {
          code = r.error().code;
          says = r.error().message.find("memory") != std::string::npos;
        }
      } catch (const std::bad_alloc&) {
        escapes = true;
      }
      if (fine) continue;  // the standard library could do without
      ++errors;
      if (code == errc::out_of_memory && says && reached && !escapes) continue;
      CAPTURE(what, for_good, k);
      CHECK(!escapes);
      CHECK(code == errc::out_of_memory);
      CHECK(says);
      REQUIRE(reached);
    }
    CAPTURE(what, for_good);
    CHECK(errors > 0);
  }
}

}  // namespace

TEST_CASE("allocations: any that fails is out_of_memory") {
  const std::string folder = text(MOLMO_MODELS_DIR, "/shakespeare"), tokenizer_json = folder + "/tokenizer.json";
  using Model = Llm<llama_default>;
  const std::string small = golden_folder("llama_default"), config = small + "/config.json";
  const auto tokenizer = Tokenizer::from_file(tokenizer_json);
  REQUIRE(tokenizer);
  fails_cleanly("a file", [&] { return MappedFile::open(config, {.copy = true}); });
  fails_cleanly("JSON", [&] { return read_json(config); });
  fails_cleanly("config.json", [&] { return read_model_config(small); });
  fails_cleanly("companions", [&] { return read_companions(folder); });
  const auto strange = json::parse(R"({"model_type": "a family of which nobody has heard"})");
  REQUIRE(strange);
  fails_cleanly("a config that is refused", [&] { return zoo::read_config(*strange); }, errc::unsupported);
  fails_cleanly("generation_config.json", [&] { return read_generation_config(folder); });
  fails_cleanly("checkpoint", [&] { return Checkpoint::open(small); });
  fails_cleanly("load", [&] { return load<Model>(small); });
  fails_cleanly("load_any", [&] { return load_any<olmo2, llama_default>(Reference{}, small); });
  fails_cleanly("load_any of another shape", [&] { return load_any<olmo2>(Reference{}, small); }, errc::unsupported);
  fails_cleanly("encode", [&] { return tokenizer->encode("Now is the winter of our discontent"); });
  fails_cleanly("encode of no text", [&] { return tokenizer->encode("\xff"); }, errc::invalid_argument);

  const auto model = load<Model>(small);
  REQUIRE(model);
  fails_cleanly("make_session", [&] { return make_session(*model, Reference{}, {.context = 20}); });
  const auto any = load_any<llama_default>(Reference{}, small);
  REQUIRE(any);
  fails_cleanly("start", [&] { return (*any)->start({.context = 20}); });
  auto s = make_session(*model, Reference{}, {.context = 20});
  REQUIRE(s);
  const std::vector<std::int32_t> ids{1, 2, 3, 4, 5}, wrong{1, 2, 1000};
  fails_cleanly("a prefill that is refused", [&] { return s->prefill(wrong); }, errc::invalid_argument);
  fails_cleanly("a decode that is refused", [&] { return s->decode(-5); }, errc::invalid_argument);
  fails_cleanly("a score that is refused", [&] { return s->score(wrong); }, errc::invalid_argument);
  fails_cleanly("a sample that is refused", [&] { return s->sample({}, 0); }, errc::empty_prompt);
  fails_cleanly("options that are refused", [&] {
    return generate_ids(*s, ids, {.max_new = -1}, [](std::int32_t) { return true; });
  }, errc::invalid_argument);
  CHECK(s->length() == 0);
  fails_cleanly("perplexity", [&] { return perplexity(*s, ids); });
}

TEST_CASE("allocations: a tokenizer and a text without memory") {
  // A file of its own: of the demo's 1024 tokens every allocation would be tried.
  const TemporaryFolder folder;
  folder.write("tokenizer.json", R"({"added_tokens": [{"id": 3, "content": "<s>", "special": true, "normalized": false,
      "single_word": false, "lstrip": false, "rstrip": false}], "normalizer": {"type": "NFC"}, "pre_tokenizer":
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}, "post_processor": null,
      "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
      "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  const std::filesystem::path path = folder.path() / "tokenizer.json";
  fails_cleanly("from_file", [&] { return Tokenizer::from_file(path); });
  const auto tokenizer = Tokenizer::from_file(path);
  if (!tokenizer) FAIL(tokenizer.error().message);
  fails_cleanly("encode", [&] { return tokenizer->encode("ababa<s>ba", {.parse_special = true}); });
  const auto model = load<Llm<llama_default>>(golden_folder("llama_default"));
  REQUIRE(model);
  auto s = make_session(*model, Reference{}, {.context = 20});
  REQUIRE(s);
  std::string out;
  fails_cleanly("generate", [&] {
    s->rewind();
    return generate(*s, *tokenizer, "abab", {.max_new = 6}, [](std::string_view) {});
  });
  s->rewind();
  CHECK(generate(*s, *tokenizer, "abab", {.max_new = 6}, [](std::string_view) {}));
}

TEST_CASE("allocations: a safetensors file without memory is not there, and one that was there stays") {
  const TemporaryFolder folder;
  const std::string path = folder / "a name that no string holds without memory.safetensors", old = "the old file";
  const std::vector<float> numbers(40, 1);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(numbers));
  const std::vector<std::uint64_t> shape{5, 8};
  const TensorInfo tensor{.name = "a", .dtype = DType::f32, .shape = shape, .bytes = bytes};
  bool left = false;
  // f() writes at `path`. Looking and tidying up need memory.
  const auto writes = [&](const char* what, bool over, auto&& f) {
    fails_cleanly(what, [&] {
      const std::size_t begun = allocations_until_failure.exchange(0);
      if (over) folder.write(std::filesystem::path(path).filename().string(), old);
      allocations_until_failure.store(begun);
      const status r = f();
      const std::size_t kept = allocations_until_failure.exchange(0);
      const std::filesystem::directory_iterator files(folder.path());
      const auto count = std::distance(begin(files), end(files));
      if (!r) left = left || count != (over ? 1 : 0) || (over && std::filesystem::file_size(path) != old.size());
      std::filesystem::remove(path);
      std::filesystem::remove(path + ".part");
      allocations_until_failure.store(kept);
      return r;
    });
  };
  writes("write_safetensors", false, [&] { return write_safetensors(path, {&tensor, 1}); });
  writes("write_safetensors over another", true, [&] {
    return write_safetensors(path, {&tensor, 1}, {.overwrite = true});
  });
  const std::vector<PlannedTensor> planned{{"a", DType::f32, shape}};
  writes("SafeTensorsWriter", false, [&]() -> status {
    const std::size_t kept = allocations_until_failure.exchange(0);
    std::vector<PlannedTensor> tensors = planned;  // the caller's memory
    allocations_until_failure.store(kept);
    auto out = SafeTensorsWriter::create(path, std::move(tensors));
    if (!out) return fail(out.error());
    if (status s = out->write(0, 0, bytes); !s) return s;
    return out->finish();
  });
  CHECK(!left);
  auto out = SafeTensorsWriter::create(path, planned);
  REQUIRE(out);
  fails_cleanly("a piece that is refused", [&] { return out->write(1, 0, bytes); }, errc::invalid_argument);
  fails_cleanly("an end that is refused", [&] { return out->finish(); }, errc::invalid_argument);
}

TEST_CASE("allocations: quantize without memory leaves nothing on disk") {
  const TemporaryFolder folder;
  const std::string to = (folder.path() / "q8").string();
  const std::string from = golden_folder("llama_default");
  const QuantizeOptions options{.format = format_id<Q8>};
  bool left = false;
  fails_cleanly("quantize", [&] {
    auto r = quantize_checkpoint(from, to, options);
    const std::size_t kept = allocations_until_failure.exchange(0);  // looking and tidying up need memory
    left = left || (!r && std::filesystem::exists(to));
    std::filesystem::remove_all(to);
    allocations_until_failure.store(kept);
    return r;
  });
  CHECK(!left);
}
#endif
