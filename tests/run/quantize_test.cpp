// SPDX-License-Identifier: Apache-2.0
// quantize_checkpoint: what it writes is what the format's encoder makes of every matrix, it loads, and it computes
// exactly what a model of the decoded weights computes. Whatever is wrong ends in one sentence and leaves nothing
// behind.
#if MOLMO_HAS_IO
#include <molmo/run/quantize.hpp>
#include <molmo/run/session.hpp>
#include <molmo/run/weights.hpp>

#include "io/hostile.hpp"
#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/golden_configs.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <dlfcn.h>
#include <sys/statvfs.h>
#endif

using namespace molmo;
using namespace molmo_test;

namespace {

std::optional<std::vector<std::string>> synced;  // what fsync was called for
std::optional<std::uint64_t> free_disk;  // what statvfs says, instead of the truth

struct Doubles {  // a format that no file has
  static constexpr const char* name = "doubles";
  static constexpr index_t block = 1, bytes = 8;
  static void decode(const std::byte* p, float* out) {
    double x;
    std::memcpy(&x, p, sizeof x);
    *out = static_cast<float>(x);
  }
};

const FormatId all_formats[] = {format_id<Q8>, format_id<Q4>, format_id<F32>, format_id<Bf16>, format_id<F16>};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
std::string folder_of(const TemporaryFolder& f) { return f.path().string(); }

QuantizeReport quantized(const std::string& from, const std::string& to, const QuantizeOptions& options) {
  const auto done = quantize_checkpoint(from, to, options);
  if (!done) FAIL(done.error().message);
  return *done;
}
Checkpoint opened(const std::string& folder) {
  auto c = Checkpoint::open(folder);
  if (!c) FAIL(c.error().message);
  return std::move(*c);
}
template <class M>
Loaded<M> loaded(const std::string& folder, const LoadOptions& options = {}) {
  auto l = load<M>(folder, options);
  if (!l) FAIL(l.error().message);
  return std::move(*l);
}
template <class M>
std::vector<float> logits_of(const M& model) {
  auto session = make_session(model, Reference{}, {.context = 16});
  REQUIRE(session);
  const std::vector<std::int32_t> ids{1, 17, 60, 3, 42};
  const auto logits = session->prefill(ids);
  REQUIRE(logits);
  return {logits->begin(), logits->end()};
}

// The matrix as it was quantised: every row through the format's encoder and back.
std::vector<float> there_and_back(const TensorInfo& t, FormatId format) {
  std::vector<float> numbers = widened(t);
  const index_t rows = static_cast<index_t>(t.shape[0]), cols = static_cast<index_t>(t.shape[1]);
  with_format(format, [&]<class F>(F) {
    for (index_t r = 0; r < rows; ++r) {
      float* row = numbers.data() + r * cols;
      if constexpr (BlockFormat<F>) {
        std::vector<std::byte> stored(static_cast<std::size_t>(format_bytes<F>(cols)));
        encode_row<F>(row, cols, stored.data());
        read_row({stored.data(), format, 1, cols}, 0, row);
      } else {
        for (index_t c = 0; c < cols; ++c) row[c] = static_cast<float>(static_cast<typename F::element>(row[c]));
      }
    }
  });
  return numbers;
}

// A model with the weights of `source`, its matrices but the kept ones quantised and decoded again, in f32.
void write_decoded(const std::string& source, const std::string& to, FormatId format,
                   const std::vector<std::string>& kept) {
  const Checkpoint c = opened(source);
  std::vector<std::vector<float>> numbers;
  std::vector<TensorInfo> tensors;
  for (const TensorInfo* t : c.tensors()) {
    const bool keep = t->shape.size() != 2 || std::find(kept.begin(), kept.end(), t->name) != kept.end();
    numbers.push_back(keep ? widened(*t) : there_and_back(*t, format));
  }
  for (std::size_t i = 0; i < numbers.size(); ++i)
    tensors.push_back({c.tensors()[i]->name,
                       DType::f32,
                       c.tensors()[i]->shape,
                       {reinterpret_cast<const std::byte*>(numbers[i].data()), numbers[i].size() * 4}});
  REQUIRE(write_safetensors(to + "/model.safetensors", tensors));
  std::filesystem::copy_file(source + "/config.json", to + "/config.json");
}

// Every format, with the matrices of this name kept, and with none. `sensitive`: how much more than others this model
// of random weights makes of a small change.
template <LlmConfig C>
void round_trip(const std::string& name, std::vector<std::string> kept_by_default, double sensitive = 1) {
  using M = Llm<C>;
  const std::string source = golden_folder(name);
  const Checkpoint before = opened(source);
  const std::vector<float> plain = logits_of(*loaded<M>(source));
  for (const FormatId format : all_formats)
    for (const bool keep : {true, false}) {
      CAPTURE(name, format_name(format), keep);
      const std::vector<std::string> kept = keep ? kept_by_default : std::vector<std::string>{};
      const TemporaryFolder parent;
      const std::string to = parent / "quantised";
      QuantizeOptions options{.format = format};
      if (!keep) options.keep.clear();
      const QuantizeReport report = quantized(source, to, options);
      const Checkpoint after = opened(to);
      CHECK(report.bytes_before == before.bytes());
      CHECK(report.bytes_after == after.bytes());
      CHECK(report.kept == kept.size());
      CHECK(report.converted + report.kept + report.others == before.tensors().size());

      for (const TensorInfo* t : before.tensors()) {
        CAPTURE(std::string(t->name));
        const TensorInfo* now = after.find(t->name);
        REQUIRE(now != nullptr);
        if (t->shape.size() != 2 || std::find(kept.begin(), kept.end(), t->name) != kept.end()) {
          REQUIRE(now->dtype == t->dtype);
          REQUIRE(std::equal(now->bytes.begin(), now->bytes.end(), t->bytes.begin(), t->bytes.end()));
          continue;
        }
        const index_t rows = static_cast<index_t>(t->shape[0]), cols = static_cast<index_t>(t->shape[1]);
        const StoredMatrix m = find_matrix(after, std::string(t->name), rows, cols);
        REQUIRE(m.problem.empty());
        REQUIRE(m.matrix.format == format);
        REQUIRE((m.matrix.layout == Layout::panels) == is_block_format(format));
        std::vector<float> got(static_cast<std::size_t>(rows * cols));
        for (index_t r = 0; r < rows; ++r) read_row(m.matrix, r, got.data() + r * cols);
        REQUIRE_SAME_BITS(got, there_and_back(*t, format));
      }

      const std::string decoded = parent / "decoded";
      std::filesystem::create_directory(decoded);
      write_decoded(source, decoded, format, kept);
      const std::vector<float> want = logits_of(*loaded<M>(decoded));
      for (const Packing pack : {Packing::always, Packing::never})
        REQUIRE_SAME_BITS(logits_of(*loaded<M>(to, {.pack = pack})), want);

      // How near that is to the model before: of the spread of its logits, the part that is lost.
      double lost = 0, spread = 0;
      for (std::size_t i = 0; i < plain.size(); ++i) {
        lost += std::pow(static_cast<double>(want[i]) - static_cast<double>(plain[i]), 2);
        spread += std::pow(static_cast<double>(plain[i]), 2);
      }
      const double share = std::sqrt(lost / spread);
      INFO("lost " << share);
      CHECK(share <= sensitive * (format == format_id<F32>    ? 0
                                  : format == format_id<F16>  ? 2e-3
                                  : format == format_id<Bf16> ? 1e-2
                                  : format == format_id<Q8>   ? 3e-2
                                                              : 4e-1));
    }
}

// One tensor of the golden model changed, all in one file.
struct Changed {
  TemporaryFolder folder;
  std::vector<std::byte> bytes;

  template <class Change>
  explicit Changed(const std::string& name, Change change, DType dtype = DType::f32) {
    const Checkpoint c = opened(golden_folder("llama_default"));
    std::vector<TensorInfo> tensors;
    for (const TensorInfo* t : c.tensors()) tensors.push_back(*t);
    const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) { return t.name == name; });
    REQUIRE(at != tensors.end());
    bytes.assign(at->bytes.begin(), at->bytes.end());
    change(reinterpret_cast<float*>(bytes.data()));
    at->bytes = bytes;
    at->dtype = dtype;
    REQUIRE(write_safetensors(folder / "model.safetensors", tensors));
    std::filesystem::copy_file(golden_folder("llama_default/config.json"), folder / "config.json");
  }
  [[nodiscard]] std::string path() const { return folder_of(folder); }
};

// Refused with this code and these words, in one line, and no folder appears.
void refused(const std::string& from, const QuantizeOptions& options, errc code,
             std::initializer_list<std::string> words) {
  const TemporaryFolder parent;
  const auto done = quantize_checkpoint(from, parent / "new", options);
  REQUIRE(!done.has_value());
  const std::string message = done.error().message;
  CAPTURE(message);
  CHECK(done.error().code == code);
  CHECK(message.find('\n') == std::string::npos);
  for (const std::string& w : words) CHECK(message.find(w) != std::string::npos);
  CHECK(std::filesystem::is_empty(parent.path()));
}

}  // namespace

#if defined(__linux__)
// These two stand before the C library's, for all tests of this program. fsync notes the path and the size, and where
// nobody asked for that it needs no memory, as the real one; statvfs makes a full disk.
extern "C" int fsync(int fd) {
  if (!synced) return 0;
  std::error_code e;
  const std::filesystem::path path = std::filesystem::read_symlink(text("/proc/self/fd/", fd), e);
  synced->push_back(text(path.string(), " ", std::filesystem::file_size(path, e)));
  return 0;
}
extern "C" int statvfs(const char* path, struct statvfs* info) {
  using Real = int (*)(const char*, struct statvfs*);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "statvfs"));
  const int done = real(path, info);
  if (done == 0 && free_disk) info->f_frsize = 1, info->f_bavail = *free_disk;
  return done;
}
#endif

TEST_CASE("quantize: round trips of every format, with and without kept matrices") {
  const std::string embedding = "model.embed_tokens.weight", head = "lm_head.weight";
  round_trip<llama_default>("llama_default", {embedding, head});
  round_trip<llama_tied>("llama_tied", {embedding});
  round_trip<llama_bias>("llama_bias", {embedding, head}, 3);
  round_trip<qwen3>("qwen3", {embedding, head});
  round_trip<olmo2>("olmo2", {embedding, head});
}

TEST_CASE("quantize: the file's layout") {
  const TemporaryFolder parent;
  const std::string to = parent / "q";
  for (const FormatId format : {format_id<Q8>, format_id<Q4>}) {
    std::filesystem::remove_all(to);
    quantized(golden_folder("llama_default"), to, {.format = format});
    const auto file = MappedFile::open(to + "/model.safetensors");
    REQUIRE(file);
    const auto table = SafeTensors::parse(file->bytes(), "file");
    REQUIRE(table);
    std::uint64_t header = 0;
    std::memcpy(&header, file->bytes().data(), 8);
    CHECK((header + 8) % 64 == 0);
    int codes = 0;
    for (const TensorInfo& t : table->tensors()) {
      const auto at = static_cast<std::uint64_t>(t.bytes.data() - file->bytes().data());
      CAPTURE(std::string(t.name), at);
      CHECK(at % bytes_per_element(t.dtype) == 0);
      if (t.name.ends_with("_scale")) CHECK(at % 32 == 0);
      if (t.dtype != DType::i8 && t.dtype != DType::u8) continue;
      ++codes;
      CHECK(at % 64 == 0);
    }
    CHECK(codes == 14);
    const TensorInfo& down = *table->find("model.layers.1.mlp.down_proj.weight");  // [48, 40]
    CHECK(shape_text(down.shape) == (format == format_id<Q8> ? "[3, 2, 8, 16, 4]" : "[3, 2, 4, 16, 4]"));
    CHECK(shape_text(table->find("model.layers.1.mlp.down_proj.weight_scale")->shape) == "[3, 2, 16]");
    bool described = false;
    for (const auto& [key, value] : table->metadata())
      described = described || (key == down.name && value == text(format_name(format), " [48, 40]"));
    CHECK(described);

    const auto config = read_json(to + "/config.json");
    REQUIRE(config);
    const json::Value* q = config->find("quantization_config");
    REQUIRE(q);
    CHECK(*q->string("quant_method") == "molmo");
    CHECK(*q->string("format") == format_name(format));
    CHECK(*q->string("layout") == "panels16");
    std::string as_before = contents(golden_folder("llama_default/config.json"));
    as_before.resize(as_before.rfind('}'));
    while (as_before.back() == '\n' || as_before.back() == ' ') as_before.pop_back();
    CHECK(contents(to + "/config.json").starts_with(as_before + ",\n"));
    const auto seen = zoo::load_config(to);
    REQUIRE(seen);
    CHECK(seen->quantized == format_name(format));
  }
  CHECK(zoo::load_config(golden_folder("llama_default"))->quantized.empty());
}

TEST_CASE("quantize: any part of a name can be kept, and mixed formats load") {
  const TemporaryFolder parent;
  const std::string q8 = parent / "q8";
  const QuantizeReport report = quantized(golden_folder("llama_default"), q8,
                                          {.format = format_id<Q4>, .keep = {"down_proj", "layers.0.self_attn"}});
  CHECK(report.kept == 2 + 4);
  CHECK(report.converted == 16 - 6);
  const Checkpoint c = opened(q8);
  CHECK(c.find("model.layers.1.mlp.down_proj.weight")->dtype == DType::f32);
  CHECK(c.find("model.layers.1.mlp.up_proj.weight")->dtype == DType::u8);
  CHECK(c.find("model.embed_tokens.weight")->dtype == DType::u8);
  const TemporaryFolder decoded;
  write_decoded(golden_folder("llama_default"), folder_of(decoded), format_id<Q4>,
                {"model.layers.0.mlp.down_proj.weight", "model.layers.1.mlp.down_proj.weight",
                 "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
                 "model.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.o_proj.weight"});
  REQUIRE_SAME_BITS(logits_of(*loaded<Llm<llama_default>>(q8)),
                    logits_of(*loaded<Llm<llama_default>>(folder_of(decoded))));
}

TEST_CASE("quantize: shards, names without \"model.\", and 16-bit sources") {
  const std::string source = golden_folder("llama_default");
  const Checkpoint c = opened(source);
  const TemporaryFolder parent, shards, bare, half;
  std::vector<TensorInfo> tensors, without;
  std::vector<std::string> names;
  for (const TensorInfo* t : c.tensors()) {
    tensors.push_back(*t);
    names.push_back(std::string(t->name.starts_with("model.") ? t->name.substr(6) : t->name));
  }
  const std::span<const TensorInfo> all(tensors);
  REQUIRE(write_safetensors(shards / "model-00001-of-00002.safetensors", all.first(5)));
  REQUIRE(write_safetensors(shards / "model-00002-of-00002.safetensors", all.subspan(5)));
  std::string index = R"({"weight_map": {)";
  for (std::size_t i = 0; i < tensors.size(); ++i)
    index +=
        text(i ? ", " : "", "\"", tensors[i].name, R"(": "model-0000)", i < 5 ? 1 : 2, R"(-of-00002.safetensors")");
  shards.write("model.safetensors.index.json", index + "}}");
  for (std::size_t i = 0; i < tensors.size(); ++i) without.push_back(tensors[i]), without.back().name = names[i];
  REQUIRE(write_safetensors(bare / "model.safetensors", without));
  for (const TemporaryFolder* f : {&shards, &bare})
    std::filesystem::copy_file(source + "/config.json", *f / "config.json");

  quantized(source, parent / "one", {.format = format_id<Q8>});
  quantized(folder_of(shards), parent / "two", {.format = format_id<Q8>});
  CHECK(contents(parent / "one/model.safetensors") == contents(parent / "two/model.safetensors"));
  CHECK(quantized(folder_of(bare), parent / "three", {.format = format_id<Q8>}).converted == 14);
  REQUIRE_SAME_BITS(logits_of(*loaded<Llm<llama_default>>(parent / "three")),
                    logits_of(*loaded<Llm<llama_default>>(parent / "one")));

  // f32 -> bf16 -> q4 is q4 of the rounded weights.
  quantized(source, parent / "bf16", {.format = format_id<Bf16>, .keep = {}});
  quantized(parent / "bf16", parent / "bf16-q4", {.format = format_id<Q4>, .keep = {}});
  const Checkpoint rounded = opened(parent / "bf16"), q4 = opened(parent / "bf16-q4");
  const TensorInfo& t = *rounded.find("model.layers.0.self_attn.q_proj.weight");
  const StoredMatrix m = find_matrix(q4, "model.layers.0.self_attn.q_proj.weight", 48, 48);
  std::vector<float> got(48 * 48);
  for (index_t r = 0; r < 48; ++r) read_row(m.matrix, r, got.data() + r * 48);
  REQUIRE_SAME_BITS(got, there_and_back(t, format_id<Q4>));
}

TEST_CASE("quantize: rows that are sliced where no panel begins are unpacked when they are loaded") {
  // A fused feed-forward, [up; gate] of 40 rows each, whose second half does not begin at a multiple of 16.
  constexpr LlmConfig fused = [] {
    LlmConfig c = llama_default;
    c.block_type = BlockType::sequential;
    return c;
  }();
  static constexpr zoo::NamePair names[] = {{"embedding", "wte"},
                                            {"blocks.{}.attention_norm", "h.{}.n1"},
                                            {"blocks.{}.attention.att_proj", "h.{}.att"},
                                            {"blocks.{}.attention.o", "h.{}.o"},
                                            {"blocks.{}.feed_forward_norm", "h.{}.n2"},
                                            {"blocks.{}.feed_forward.ff_proj", "h.{}.ff"},
                                            {"blocks.{}.feed_forward.down", "h.{}.down"},
                                            {"final_norm", "norm"},
                                            {"head", "head"}};
  static constexpr zoo::Family family{"llama", names, [](const json::Value& json) -> result<LlmConfig> {
                                        result<LlmConfig> c = zoo::llama::family.read(json);
                                        if (c) c->block_type = BlockType::sequential;
                                        return c;
                                      }};
  using M = Llm<fused>;
  const TemporaryFolder source, parent;
  std::filesystem::copy_file(golden_folder("llama_default/config.json"), source / "config.json");
  M model;
  std::vector<std::vector<float>> numbers;
  std::vector<std::vector<std::uint64_t>> shapes;
  std::vector<std::string> called;
  Random random(11);
  model.each_parameter([&]<class P>(const std::string& name, P&) {
    constexpr index_t rows = P::shape::static_rows, cols = P::shape::cols;
    numbers.push_back(random.numbers(rows * cols, 0.3f));
    shapes.push_back({static_cast<std::uint64_t>(cols)});
    if (!is_view<P>) shapes.back().insert(shapes.back().begin(), static_cast<std::uint64_t>(rows));
    called.push_back(zoo::checkpoint_name(names, name));
  });
  std::vector<TensorInfo> tensors;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    tensors.push_back({called[i],
                       DType::f32,
                       shapes[i],
                       {reinterpret_cast<const std::byte*>(numbers[i].data()), numbers[i].size() * 4}});
  REQUIRE(write_safetensors(source / "model.safetensors", tensors));

  // Plain numbers: packed all but ff_proj, the same to the last bit.
  const LoadOptions packed{.pack = Packing::always, .family = &family}, mapped{.pack = Packing::never, .family = &family};
  const auto plain = loaded<M>(folder_of(source), packed);
  CHECK(plain->blocks[0].feed_forward.ff_proj.weight.layout == Layout::rows);
  CHECK(plain->blocks[0].attention.att_proj.weight.layout == Layout::panels);
  REQUIRE_SAME_BITS(logits_of(*plain), logits_of(*loaded<M>(folder_of(source), mapped)));

  for (const FormatId format : {format_id<Q8>, format_id<Q4>}) {
    const std::string to = parent / format_name(format), decoded = parent / text("decoded-", format_name(format));
    quantized(folder_of(source), to, {.format = format, .keep = {}, .family = &family});
    std::filesystem::create_directory(decoded);
    write_decoded(folder_of(source), decoded, format, {});
    const std::vector<float> want = logits_of(*loaded<M>(decoded, mapped));
    REQUIRE_SAME_BITS(logits_of(*loaded<M>(to, packed)), want);
    REQUIRE_SAME_BITS(logits_of(*loaded<M>(to, mapped)), want);
  }
}

TEST_CASE("quantize: weights that no format can hold are named") {
  const std::string name = "model.layers.1.mlp.up_proj.weight";  // [40, 48]
  for (const FormatId format : all_formats) {
    const Changed nan(name, [](float* w) { w[48 * 39 + 47] = std::numeric_limits<float>::quiet_NaN(); });
    refused(nan.path(), {.format = format}, errc::format, {name, "[39, 47]", "not a number"});
    const Changed infinite(name, [](float* w) { w[0] = -std::numeric_limits<float>::infinity(); });
    refused(infinite.path(), {.format = format}, errc::format, {name, "[0, 0]", "infinite"});
  }
  // What is copied is looked at as well: norms, and matrices that are kept.
  const Changed norm("model.layers.1.input_layernorm.weight",
                     [](float* w) { w[47] = std::numeric_limits<float>::quiet_NaN(); });
  refused(norm.path(), {}, errc::format, {"model.layers.1.input_layernorm.weight", "[47]", "not a number"});
  const Changed head("lm_head.weight", [](float* w) { w[48 * 60 + 2] = std::numeric_limits<float>::infinity(); });
  refused(head.path(), {}, errc::format, {"lm_head.weight", "[60, 2]", "infinite"});
  const Changed q8(name, [](float* w) { w[48 * 2 + 40] = 8.4e6f; });
  refused(q8.path(), {.format = format_id<Q8>}, errc::format, {name, "[2, 32]", "too large for q8", "keep"});
  const Changed q4(name, [](float* w) { w[48 * 2 + 5] = -5.3e5f; });
  refused(q4.path(), {.format = format_id<Q4>}, errc::format, {name, "[2, 0]", "too large for q4"});
  const Changed f16(name, [](float* w) { w[48 * 2 + 5] = 70000; });
  refused(f16.path(), {.format = format_id<F16>}, errc::format, {name, "[2, 5]", "70000", "too large for f16"});
  const TemporaryFolder parent;
  CHECK(quantized(f16.path(), parent / "q8", {.format = format_id<Q8>}).vanished == 0);
  CHECK(quantized(f16.path(), parent / "kept", {.format = format_id<F16>, .keep = {"up_proj"}}).kept == 2);

  // Numbers too small for a scale become zeros, and are counted.
  const Changed tiny(name, [](float* w) {
    for (int i = 0; i < 32; ++i) w[i] = i % 2 ? 1e-9f : 0.0f;
  });
  const QuantizeReport report = quantized(tiny.path(), parent / "tiny", {.format = format_id<Q4>});
  CHECK(report.vanished == 16);
}

TEST_CASE("quantize: what cannot be converted is refused in one sentence, and nothing is left") {
  const std::string source = golden_folder("llama_default");
  refused(source, {.keep = {"embeddings", "no_such_matrix"}}, errc::invalid_argument,
          {"no_such_matrix", "model.layers"});
  refused(source, {.keep = {""}}, errc::invalid_argument, {"''"});
  refused(source, {.format = FormatId{200}}, errc::invalid_argument, {"200", "format_id<Q8>"});
  refused(source, {.format = format_id<Doubles>}, errc::invalid_argument, {"doubles", "format_id<Q8>"});
  refused(source, {.keep = {"weight"}}, errc::invalid_argument, {"nothing would be converted"});
  refused("/no/such/folder", {}, errc::not_found, {"/no/such/folder"});
  const Changed u32(
      "model.layers.1.mlp.up_proj.weight", [](float*) {}, DType::u32);
  refused(u32.path(), {}, errc::unsupported, {"up_proj", "U32"});

  const TemporaryFolder parent;
  quantized(source, parent / "q8", {});
  refused(parent / "q8", {.format = format_id<Q4>}, errc::unsupported, {"quantised already", "q8"});
  // A folder with files is left alone, an empty one is filled.
  const std::string before = contents(parent / "q8/model.safetensors");
  for (const FormatId format : {format_id<Q4>, format_id<Q8>}) {
    const auto again = quantize_checkpoint(source, parent / "q8", {.format = format});
    REQUIRE(!again);
    CHECK(again.error().code == errc::io);
    CHECK(again.error().message.find("has files in it") != std::string::npos);
  }
  CHECK(contents(parent / "q8/model.safetensors") == before);
  const auto file = quantize_checkpoint(source, parent / "q8/config.json", {});
  REQUIRE(!file);
  CHECK(file.error().message.find("exists already") != std::string::npos);
  std::filesystem::create_directory(parent / "empty");
  quantized(source, parent / "empty", {});
  CHECK(contents(parent / "empty/model.safetensors") == before);

  // Somebody else's quantisation, and ours of a later version.
  const TemporaryFolder other;
  std::filesystem::copy_file(source + "/model.safetensors", other / "model.safetensors");
  const std::string config = contents(source + "/config.json");
  const auto with = [&](const std::string& field) {
    other.write("config.json", config.substr(0, config.rfind('}')) + ", " + field + "}");
  };
  with(R"("quantization_config": {"quant_method": "gptq", "bits": 4})");
  refused(folder_of(other), {}, errc::unsupported, {"config.json", "'gptq'"});
  CHECK(!load<Llm<llama_default>>(folder_of(other)));
  with(R"("quantization_config": {"quant_method": "molmo", "format": "q8", "layout": "panels32"})");
  refused(folder_of(other), {}, errc::unsupported, {"panels32", "panels16"});
  with(R"("quantization_config": 7)");
  refused(folder_of(other), {}, errc::format, {"quantization_config"});
  with(R"("quantization_config": null)");
  CHECK(load<Llm<llama_default>>(folder_of(other)));
  refused(folder_of(other), {}, errc::format, {"null"});
}

TEST_CASE("quantize: cancelled at any moment, nothing is left") {
  const std::string source = golden_folder("llama_default");
  int reports = 0;
  std::uint64_t last = 0;
  auto count = [&](const Progress& p) {
    CHECK(p.done >= last);
    CHECK(p.done <= p.total);
    last = p.done;
    return ++reports > 0;
  };
  const TemporaryFolder parent;
  quantized(source, parent / "whole", {.progress = count});
  CHECK(last == opened(source).bytes());
  const int all = reports;
  REQUIRE(all >= 20);
  for (int stop_at = 1; stop_at <= all; ++stop_at) {
    int seen = 0;
    auto stop = [&](const Progress&) { return ++seen < stop_at; };
    refused(source, {.progress = stop}, errc::cancelled, {"cancelled"});
  }
  std::stop_source stop;
  stop.request_stop();
  refused(source, {.stop = stop.get_token()}, errc::cancelled, {});
  std::filesystem::create_directory(parent / "empty");
  REQUIRE(!quantize_checkpoint(source, parent / "empty", {.stop = stop.get_token()}));
  CHECK(std::filesystem::is_empty(parent / "empty"));
}

TEST_CASE("quantize: what an interruption left is named, with the remedy") {
  const TemporaryFolder left;
  left.write("config.json", "{}");
  left.write("model.safetensors.part", "half a model");
  const auto again = quantize_checkpoint(golden_folder("llama_default"), folder_of(left), {});
  REQUIRE(!again);
  CHECK(again.error().code == errc::io);
  for (const char* words : {"holds 'model.safetensors.part'", "interrupted", "remove that folder"})
    CHECK(again.error().message.find(words) != std::string::npos);
  CHECK(contents(left / "model.safetensors.part") == "half a model");
}

TEST_CASE("quantize: a source that is truncated meanwhile does no harm to who asked for copies") {
  const TemporaryFolder source, parent;
  for (const char* own : {"model.safetensors", "config.json"})
    std::filesystem::copy_file(golden_folder(text("llama_default/", own)), source.path() / own);
  source.write("tokenizer.json", std::string(100'000, ' '));
  auto truncate = [&](const Progress&) {
    for (const char* own : {"model.safetensors", "tokenizer.json"}) std::filesystem::resize_file(source / own, 1);
    return true;
  };
  quantized(folder_of(source), parent / "copied", {.progress = truncate, .copy = true});
  quantized(golden_folder("llama_default"), parent / "whole", {});
  CHECK(contents(parent / "copied/model.safetensors") == contents(parent / "whole/model.safetensors"));
  CHECK(contents(parent / "copied/tokenizer.json") == std::string(100'000, ' '));
}

#if defined(__linux__)
TEST_CASE("quantize: every file is on the disk before it gets its name, and the name afterwards") {
  const TemporaryFolder parent;
  synced.emplace();
  quantized(text(MOLMO_MODELS_DIR, "/shakespeare"), parent / "q8", {});
  const std::vector<std::string> paths = *std::exchange(synced, {});
  const auto is_synced = [&](const std::string& path) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  };
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json"})
    CHECK(is_synced(parent / text("q8/", name, ".part ", std::filesystem::file_size(parent / text("q8/", name)))));
  REQUIRE(!paths.empty());
  CHECK(paths.back().starts_with(parent / "q8 "));
}
#endif

TEST_CASE("quantize: memory stays flat") {
  // One matrix of 64 MB, of a file that is mostly holes.
  const TemporaryFolder folder;
  const std::uint64_t rows = 4096, cols = 4096;
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  const std::string header = text("{\"", name, "\":{\"dtype\":\"F32\",\"shape\":[", rows, ",", cols,
                                  "],\"data_offsets\":[0,", rows * cols * 4, "]}}");
  folder.write("model.safetensors", safetensors_file(header));
  std::filesystem::resize_file(folder / "model.safetensors", 8 + header.size() + rows * cols * 4);
  std::filesystem::copy_file(golden_folder("llama_default/config.json"), folder / "config.json");
  for (const FormatId format : {format_id<Q8>, format_id<Bf16>})
    within_memory(std::uint64_t{16} << 20, [&] {
      const TemporaryFolder parent;
      if (!quantize_checkpoint(folder_of(folder), parent / "new", {.format = format})) std::_Exit(3);
    });
}

TEST_CASE("quantize: the tokenizer's files come along") {
  const TemporaryFolder parent;
  const std::string source = text(MOLMO_MODELS_DIR, "/shakespeare");
  quantized(source, parent / "q4", {.format = format_id<Q4>});
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    CAPTURE(name);
    CHECK(contents(parent / text("q4/", name)) == contents(source + "/" + name));
    CHECK(!contents(parent / text("q4/", name)).empty());
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(parent / "q4"))
    files += entry.is_regular_file() ? 1u : 0u;
  CHECK(files == 5);
}

TEST_CASE("quantize: what stands beside the weights is not fetched from elsewhere, and is looked at first") {
  namespace fs = std::filesystem;
  const std::string golden = golden_folder("llama_default");
  const TemporaryFolder elsewhere;
  const std::string secret = elsewhere.write("secret", "do not tell");
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                           "special_tokens_map.json", "chat_template.jinja", "config.json"}) {
    CAPTURE(name);
    const TemporaryFolder source;
    const fs::path file = source.path() / name;
    for (const char* own : {"model.safetensors", "config.json"})
      fs::copy_file(text(golden, "/", own), source.path() / own);
    const auto refused_before_writing = [&](const QuantizeOptions& with, errc code, const std::string& word) {
      QuantizeOptions options = with;
      int pieces = 0;
      auto count = [&](const Progress&) { return ++pieces > 0; };
      options.progress = count;
      refused(folder_of(source), options, code, {name, word});
      CHECK(pieces == 0);
    };
    const bool is_config = std::string_view(name) == "config.json";
    fs::remove(file);
    const std::string target = is_config ? elsewhere.write("config.json", contents(golden + "/config.json")) : secret;
    fs::create_symlink(target, file);
    refused_before_writing({}, errc::format, "leads out of its folder");
    const TemporaryFolder parent;
    quantized(folder_of(source), parent / "q8", {.follow_symlinks = true});
    CHECK(contents(parent / text("q8/", name)).starts_with(contents(target).substr(0, 10)));

    fs::remove(file);  // a link inside of the folder is fine
    source.write("original", contents(target));
    fs::create_symlink("original", file);
    quantized(folder_of(source), parent / "again", {});
    CHECK(fs::is_regular_file(fs::symlink_status(parent / text("again/", name))));
    if (is_config) continue;

    fs::remove(file);
    fs::create_symlink("nowhere", file);
    refused_before_writing({}, errc::not_found, "does not exist");
    fs::remove(file);
    fs::create_symlink(name, file);
    refused_before_writing({}, errc::io, "leads back to itself");
    fs::remove(file);
    fs::create_directory(file);
    refused_before_writing({}, errc::format, "is a folder");
    fs::remove(file);
    source.write(name, "");
    refused_before_writing({}, errc::format, "is empty");
    source.write(name, "x");
    fs::resize_file(file, (std::uint64_t{1} << 30) + 1);  // of holes
    refused_before_writing({}, errc::format, "more than the ");
  }
}

TEST_CASE("quantize: the layout of the Hugging Face cache is followed to its blobs") {
  namespace fs = std::filesystem;
  const TemporaryFolder cache, parent;
  const fs::path snapshot = cache.path() / "snapshots" / "0123abcd";
  fs::create_directories(snapshot);
  fs::create_directories(cache.path() / "blobs");
  const auto blob = [&](const std::string& from, const std::string& name) {
    fs::copy_file(from + "/" + name, cache.path() / "blobs" / ("feed-" + name));
    fs::create_symlink("../../blobs/feed-" + name, snapshot / name);
  };
  const std::string golden = golden_folder("llama_default"), bundled = text(MOLMO_MODELS_DIR, "/shakespeare");
  blob(golden, "model.safetensors");
  blob(golden, "config.json");
  blob(bundled, "tokenizer.json");
  blob(bundled, "generation_config.json");
  quantized(snapshot.string(), parent / "q8", {});
  CHECK(contents(parent / "q8/tokenizer.json") == contents(bundled + "/tokenizer.json"));
  CHECK(contents(parent / "q8/generation_config.json") == contents(bundled + "/generation_config.json"));
}

TEST_CASE("quantize: the files beside the weights count when the disk is looked at") {
  const TemporaryFolder source, parent;
  for (const char* own : {"model.safetensors", "config.json"})
    std::filesystem::copy_file(golden_folder(text("llama_default/", own)), source.path() / own);
  source.write("tokenizer.json", std::string(300'000, ' '));
  quantized(folder_of(source), parent / "q8", {});
  std::uint64_t whole = 0;
  for (const auto& entry : std::filesystem::directory_iterator(parent / "q8")) whole += entry.file_size();
  free_disk = whole - 1;
  const auto full = quantize_checkpoint(folder_of(source), parent / "again", {});
  free_disk = whole;
  const auto fits = quantize_checkpoint(folder_of(source), parent / "fits", {});
  free_disk.reset();
  if (full) {
    WARN("the free space of the disk is not asked for by statvfs here; this is not tested");
    return;
  }
  CHECK(full.error().code == errc::io);
  CHECK(full.error().message.find(text("will have ", whole, " bytes, but the disk has only ", whole - 1)) !=
        std::string::npos);
  CHECK(!std::filesystem::exists(parent / "again"));
  CHECK(fits.has_value());
}

TEST_CASE("load: damaged quantised checkpoints are reported, whatever is damaged") {
  const TemporaryFolder parent;
  const std::string source = parent / "q8";
  quantized(golden_folder("llama_default"), source, {});
  const Checkpoint whole = opened(source);
  const std::string up = "model.layers.0.mlp.up_proj.weight";  // [40, 48]: codes [3, 2, 8, 16, 4], scales [3, 2, 16]
  const auto file = MappedFile::open(source + "/model.safetensors", {.copy = true});
  REQUIRE(file);
  const auto table = SafeTensors::parse(file->bytes(), "file");
  REQUIRE(table);
  std::vector<std::pair<std::string, std::string>> notes(table->metadata().begin(), table->metadata().end());
  const auto with = [&](auto change, std::initializer_list<std::string> words) {
    std::vector<TensorInfo> tensors;
    for (const TensorInfo* t : whole.tensors()) tensors.push_back(*t);
    change(tensors);
    const TemporaryFolder folder;
    REQUIRE(write_safetensors(folder / "model.safetensors", tensors, {.metadata = notes}));
    std::filesystem::copy_file(source + "/config.json", folder / "config.json");
    const auto l = load<Llm<llama_default>>(folder_of(folder));
    if (words.size() == 0) {
      if (!l) FAIL(l.error().message);
      REQUIRE_SAME_BITS(logits_of(**l), logits_of(*loaded<Llm<llama_default>>(source)));
      return;
    }
    REQUIRE(!l);
    const std::string message = l.error().message;
    CAPTURE(message);
    CHECK(l.error().code == errc::mismatch);
    const bool contradicts = message.find("\n  quantization_config: it says q8, but tensor '" + up) != message.npos;
    CHECK(std::count(message.begin(), message.end(), '\n') == (contradicts ? 2 : 1));
    for (const std::string& w : words) CHECK(message.find(w) != std::string::npos);
  };
  using Tensors = std::vector<TensorInfo>;
  const auto find = [](Tensors& tensors, const std::string& name) {
    return std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) { return t.name == name; });
  };
  const std::uint64_t flat[] = {3, 2, 512}, flat_scales[] = {6, 16}, matrix[] = {48, 64};
  std::vector<std::byte> zeros(std::size_t{3} * 2 * 16 * 64);
  const std::uint64_t f32_shape[] = {3, 2, 16};
  with([](Tensors&) {}, {});
  with([](Tensors& t) { std::reverse(t.begin(), t.end()); }, {});
  with([&](Tensors& t) { t.erase(find(t, up + "_scale")); }, {"missing: " + up + "_scale [3, 2, 16]"});
  with([&](Tensors& t) { find(t, up)->shape = flat; },
       {"other shape: " + up + " is [3, 2, 512], the type needs [40, 48], in q8 [3, 2, 8, 16, 4]"});
  with([&](Tensors& t) { find(t, up)->shape = matrix; }, {"other shape: " + up + " is [48, 64]"});
  with([&](Tensors& t) { find(t, up)->dtype = DType::u8; }, {"in q4 [3, 2, 4, 16, 4]"});
  with([&](Tensors& t) { find(t, up + "_scale")->shape = flat_scales; }, {"other shape: " + up + "_scale is [6, 16]"});
  with([&](Tensors& t) { find(t, up + "_scale")->dtype = DType::bf16; },
       {"unsupported: " + up + "_scale is BF16; scales are F16"});
  with(
      [&](Tensors& t) {
        *find(t, up + "_scale") = {find(t, up + "_scale")->name, DType::f32, f32_shape,
                                   std::span<const std::byte>(zeros).first(3 * 2 * 16 * 4)};
      },
      {"unsupported: " + up + "_scale is F32; scales are F16"});
  with(
      [&](Tensors& t) {
        t.push_back(
            {"lm_head.weight_scale", DType::f16, f32_shape, std::span<const std::byte>(zeros).first(3 * 2 * 16 * 2)});
      },
      {"unused: lm_head.weight_scale [3, 2, 16]"});
  with(
      [&](Tensors& t) {
        find(t, "model.norm.weight")->dtype = DType::i8,
                find(t, "model.norm.weight")->bytes = std::span<const std::byte>(zeros).first(48);
      },
      {"unsupported: model.norm.weight is I8; vectors are F32, F16 or BF16"});
}

TEST_CASE("load: a quantised matrix is of the shape that it was made of, not of one with as many blocks") {
  const TemporaryFolder parent;
  static constexpr LlmConfig narrower = [] {
    LlmConfig c = llama_default;  // mlp_hidden_size 40: three panels of rows, and two blocks of columns, as of 38
    c.mlp_hidden_size = 38;
    return c;
  }();
  for (const FormatId format : {format_id<Q8>, format_id<Q4>}) {
    const std::string to = parent / format_name(format), name = format_name(format);
    quantized(golden_folder("llama_default"), to, {.format = format});
    std::string config = contents(to + "/config.json");
    const std::size_t at = config.find("\"intermediate_size\": 40");
    REQUIRE(at != std::string::npos);
    config.replace(at, 23, "\"intermediate_size\": 38");
    std::ofstream(to + "/config.json") << config;
    const auto refused = load<Llm<narrower>>(to);
    REQUIRE(!refused);
    CAPTURE(refused.error().message);
    CHECK(refused.error().code == errc::mismatch);
    CHECK(refused.error().message.find(text("other shape: model.layers.1.mlp.down_proj.weight is '", name,
                                            " [48, 40]' by the file's __metadata__, the type needs ", name,
                                            " [48, 38]")) != std::string::npos);
    CHECK(std::count(refused.error().message.begin(), refused.error().message.end(), '\n') == 6);

    // Without the metadata nobody knows.
    const Checkpoint c = opened(to);
    std::vector<TensorInfo> tensors;
    for (const TensorInfo* t : c.tensors()) tensors.push_back(*t);
    const TemporaryFolder bare;
    REQUIRE(write_safetensors(bare / "model.safetensors", tensors));
    bare.write("config.json", contents(to + "/config.json"));
    const auto unknown = load<Llm<narrower>>(folder_of(bare));
    REQUIRE(!unknown);
    CHECK(unknown.error().message.find(text("missing: the shape of model.layers.1.mlp.down_proj.weight in the file's "
                                            "__metadata__, \"",
                                            name, " [48, 38]\"")) != std::string::npos);
  }
}

TEST_CASE("load: a quantization_config that the tensors contradict is refused") {
  const TemporaryFolder parent;
  const std::string plain = golden_folder("llama_default"), q8 = parent / "q8";
  quantized(plain, q8, {.format = format_id<Q8>});
  const std::string config = contents(plain + "/config.json");
  const auto refused_with = [&](const std::string& from, const std::string& more, errc code, const std::string& words) {
    const TemporaryFolder folder;
    std::filesystem::copy_file(from + "/model.safetensors", folder / "model.safetensors");
    folder.write("config.json", text(config.substr(0, config.rfind('}')),
                                     R"(, "quantization_config": {"quant_method": "molmo", )", more, "}}"));
    const auto l = load<Llm<llama_default>>(folder_of(folder));
    REQUIRE(!l);
    CAPTURE(l.error().message);
    CHECK(l.error().code == code);
    CHECK(l.error().message.find(words) != std::string::npos);
  };
  refused_with(q8, R"("format": "q4", "layout": "panels16")", errc::mismatch,
               "quantization_config: it says q4, but tensor 'model.layers.0.mlp.down_proj.weight' is q8");
  refused_with(plain, R"("format": "q8", "layout": "panels16")", errc::mismatch,
               "quantization_config: it says q8, but no tensor is");
  refused_with(q8, R"("format": "q8", "layout": "panels16", "bits": 8)", errc::unsupported, "has the field 'bits'");
  refused_with(q8, R"("format": "q8", "layout": "panels16", "group_size": 64)", errc::unsupported,
               "has the field 'group_size'");
  // Blocks of which config.json says nothing are loaded, but not converted again.
  const TemporaryFolder silent;
  std::filesystem::copy_file(q8 + "/model.safetensors", silent / "model.safetensors");
  silent.write("config.json", config);
  loaded<Llm<llama_default>>(folder_of(silent));
  refused(folder_of(silent), {.format = format_id<Q4>, .keep = {}}, errc::unsupported, {"quantised already"});
}

TEST_CASE("load: a quantised file at any address computes the same") {
  const TemporaryFolder parent;
  for (const FormatId format : {format_id<Q8>, format_id<Q4>}) {
    const std::string source = parent / format_name(format);
    quantized(golden_folder("llama_default"), source, {.format = format, .keep = {}});
    const std::vector<float> want = logits_of(*loaded<Llm<llama_default>>(source));
    const std::string whole = contents(source + "/model.safetensors");
    std::uint64_t header = 0;
    std::memcpy(&header, whole.data(), 8);
    for (const std::size_t pad : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{8}, std::size_t{32}}) {
      const TemporaryFolder folder;
      folder.write("model.safetensors", safetensors_file(whole.substr(8, header) + std::string(pad, ' '),
                                                         std::string_view(whole).substr(8 + header)));
      std::filesystem::copy_file(source + "/config.json", folder / "config.json");
      for (const Packing pack : {Packing::always, Packing::never}) {
        const auto l = loaded<Llm<llama_default>>(folder_of(folder), {.pack = pack});
        REQUIRE_SAME_BITS(logits_of(*l), want);
        // Where it lies right, nothing but the norms is copied.
        if (pack == Packing::never) CHECK((l.copied_bytes() < 2000) == (pad == 0));
      }
    }
  }
}
#endif
