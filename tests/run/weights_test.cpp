// SPDX-License-Identifier: Apache-2.0
// Loading: checkpoints that do not fit are refused with one report of everything; damaged files with one sentence;
// shards, odd headers, other formats of single tensors and copied files compute what the plain file computes. Made from
// a golden model.
#if MOLMO_HAS_IO
#include <molmo/io/generation_config.hpp>
#include <molmo/io/safetensors_write.hpp>
#include <molmo/run/any_llm.hpp>
#include <molmo/run/quantize.hpp>
#include <molmo/run/session.hpp>
#include <molmo/run/weights.hpp>

#include "io/hostile.hpp"
#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/golden_configs.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

using Model = Llm<llama_default>;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A tensor of a checkpoint under construction.
struct Part {
  std::string name;
  DType dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::byte> bytes;

  [[nodiscard]] TensorInfo info() const { return {name, dtype, shape, bytes}; }
};

// The golden model, to be taken apart.
struct Parts {
  std::string config = contents(golden_folder("llama_default/config.json"));
  std::vector<Part> parts;

  Parts() {
    const Golden file("llama_default", "model.safetensors");
    for (const TensorInfo& t : file.table().tensors())
      parts.push_back({std::string(t.name), t.dtype, {t.shape.begin(), t.shape.end()}, {t.bytes.begin(), t.bytes.end()}});
  }
  Part& part(const std::string& name) {
    const auto at = std::find_if(parts.begin(), parts.end(), [&](const Part& p) { return p.name == name; });
    REQUIRE(at != parts.end());
    return *at;
  }
  void drop(const std::string& name) {
    REQUIRE(std::erase_if(parts, [&](const Part& p) { return p.name == name; }) == 1);
  }
  void replace(const std::string& what, const std::string& by) {
    const auto at = config.find(what);
    REQUIRE(at != std::string::npos);
    config.replace(at, what.size(), by);
  }
  void write(const TemporaryFolder& folder) const {
    folder.write("config.json", config);
    write_parts(folder / "model.safetensors", 0, parts.size());
  }
  void write_parts(const std::string& path, std::size_t first, std::size_t last) const {
    std::vector<TensorInfo> infos;
    for (std::size_t i = first; i < last; ++i) infos.push_back(parts[i].info());
    const status s = write_safetensors(path, infos, {.overwrite = true});
    if (!s) FAIL(s.error().message);
  }
};

std::vector<float> logits_of(const Model& model) {
  auto session = make_session(model, Reference{}, {.context = 16});
  REQUIRE(session);
  const std::vector<std::int32_t> ids{1, 17, 60, 3, 42};
  const auto logits = session->prefill(ids);
  REQUIRE(logits);
  return {logits->begin(), logits->end()};
}
std::vector<float> logits_in(const std::string& folder, const LoadOptions& options = {}) {
  const auto loaded = load<Model>(folder, options);
  if (!loaded) FAIL(loaded.error().message);
  return logits_of(**loaded);
}
const std::vector<float>& golden_logits() {
  static const std::vector<float> logits = logits_in(golden_folder("llama_default"));
  return logits;
}

// load() refuses with this code, one report, and these words in it.
std::string refused(const std::string& folder, errc code, std::initializer_list<std::string> words) {
  const auto loaded = load<Model>(folder);
  REQUIRE(!loaded.has_value());
  const std::string message = loaded.error().message;
  CAPTURE(message);
  CHECK(loaded.error().code == code);
  for (const std::string& w : words) {
    CAPTURE(w);
    CHECK(message.find(w) != std::string::npos);
  }
  return message;
}

std::string refused(const Parts& c, errc code, std::initializer_list<std::string> words) {
  const TemporaryFolder folder;
  c.write(folder);
  return refused(folder.path().string(), code, words);
}

std::size_t lines(const std::string& s) { return 1 + static_cast<std::size_t>(std::count(s.begin(), s.end(), '\n')); }

}  // namespace

TEST_CASE("load: a rewritten checkpoint is the checkpoint") {
  const TemporaryFolder folder;
  Parts().write(folder);
  REQUIRE_SAME_BITS(logits_in(folder.path().string()), golden_logits());
}

TEST_CASE("load: one report names config fields, missing, unused and mis-shaped tensors together") {
  Parts c;
  c.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  c.replace("\"rope_theta\": 10000.0", "\"rope_theta\": 20000.0");
  c.drop("model.norm.weight");
  c.part("lm_head.weight").name = "lm_tail.weight";
  c.part("model.layers.1.mlp.up_proj.weight").shape = {48, 40};
  c.part("model.layers.0.self_attn.k_proj.weight").dtype = DType::u32;
  const std::string message =
      refused(c, errc::mismatch,
              {"n_layers: the type has 2, the checkpoint 3", "rope_theta: the type has 10000, the checkpoint 20000",
               "missing: model.norm.weight [48]", "missing: lm_head.weight [61, 48]", "unused: lm_tail.weight [61, 48]",
               "other shape: model.layers.1.mlp.up_proj.weight is [48, 40], the type needs [40, 48]",
               "unsupported: model.layers.0.self_attn.k_proj.weight is U32; weights are F32, F16 or BF16"});
  CHECK(lines(message) == 8);  // the sentence, and a line for each
}

TEST_CASE("load: every single tensor is missed") {
  const Parts whole;
  for (const Part& p : whole.parts) {
    Parts c;
    c.drop(p.name);
    CAPTURE(p.name);
    const std::string message = refused(c, errc::mismatch, {"missing: " + p.name + " " + shape_text(p.shape)});
    CHECK(lines(message) == 2);
  }
}

TEST_CASE("load: every single tensor of another shape, rank or name") {
  const Parts whole;
  for (std::size_t i = 0; i < whole.parts.size(); ++i) {
    CAPTURE(whole.parts[i].name);
    Parts flat, renamed;
    const std::uint64_t elements = whole.parts[i].info().elements();
    flat.parts[i].shape = whole.parts[i].shape.size() == 1 ? std::vector<std::uint64_t>{elements, 1} : std::vector<std::uint64_t>{elements};
    CHECK(lines(refused(flat, errc::mismatch, {"other shape: " + whole.parts[i].name + " is " + shape_text(flat.parts[i].shape)})) == 2);
    renamed.parts[i].name += "_";
    CHECK(lines(refused(renamed, errc::mismatch, {"missing: " + whole.parts[i].name + " ", "unused: " + whole.parts[i].name + "_ "})) == 3);
  }
}

TEST_CASE("load: a checkpoint of another model is refused, however much differs") {
  for (const char* other : {"llama_mha", "qwen2", "qwen3", "olmo", "olmo2", "llama_bias", "llama_tied", "llama_gelu"})
    refused(golden_folder(other), errc::mismatch, {"does not fit this model type"});
  // Names out of the file cannot steer a terminal.
  Parts hostile;
  hostile.parts.push_back({"extra\033[2J", DType::u8, {1}, {std::byte{0}}});
  CHECK(refused(hostile, errc::mismatch, {"unused: extra\\x1b[2J [1]"}).find('\033') == std::string::npos);
  // At most a hundred lines: the rest is counted.
  Parts c;
  for (int i = 0; i < 150; ++i) c.parts.push_back({text("extra.", i), DType::u8, {1}, {std::byte{0}}});
  CHECK(lines(refused(c, errc::mismatch, {"and 50 more"})) == 102);
}

TEST_CASE("load: buffers of old checkpoints are no weights, and a tied model ignores a copy of its head") {
  Parts c;
  c.parts.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", DType::f32, {4}, std::vector<std::byte>(16)});
  const TemporaryFolder folder;
  c.write(folder);
  REQUIRE_SAME_BITS(logits_in(folder.path().string()), golden_logits());

  const TemporaryFolder tied;
  Parts with_head;
  with_head.config = contents(golden_folder("llama_tied/config.json"));
  // it has one layer
  std::erase_if(with_head.parts, [](const Part& p) { return p.name.find("layers.1.") != std::string::npos; });
  with_head.write(tied);
  CHECK(load<Llm<llama_tied>>(tied.path().string()));
}

TEST_CASE("load: names without the leading \"model.\"") {
  Parts c;
  for (Part& p : c.parts)
    if (p.name.starts_with("model.")) p.name.erase(0, 6);
  const TemporaryFolder folder;
  c.write(folder);
  REQUIRE_SAME_BITS(logits_in(folder.path().string()), golden_logits());
}

TEST_CASE("load: a file cut anywhere is refused") {
  const std::string whole = contents(golden_folder("llama_default/model.safetensors"));
  const TemporaryFolder folder;
  folder.write("config.json", Parts().config);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{9}, std::size_t{100}, std::size_t{2000},
                                 whole.size() / 2, whole.size() - 4, whole.size() - 1}) {
    folder.write("model.safetensors", whole.substr(0, size));
    CAPTURE(size);
    const std::string message = refused(folder.path().string(), errc::format, {"model.safetensors"});
    CHECK(lines(message) == 1);
  }
  folder.write("model.safetensors", whole + "x");
  refused(folder.path().string(), errc::format, {"model.safetensors"});
}

TEST_CASE("load: any byte of the header's beginning flipped: one sentence, or a file that means the same") {
  const std::string whole = contents(golden_folder("llama_default/model.safetensors"));
  const TemporaryFolder folder;
  folder.write("config.json", Parts().config);
  int refusals = 0;
  for (std::size_t at = 0; at < 200; ++at)
    for (const int mask : {0x01, 0x20, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      folder.write("model.safetensors", damaged);
      CAPTURE(at, mask);
      const auto loaded = load<Model>(folder.path().string());
      if (!loaded) {
        ++refusals;
        CHECK((loaded.error().code == errc::format || loaded.error().code == errc::mismatch || loaded.error().code == errc::unsupported));
        CHECK(loaded.error().message.size() > 20);
        CHECK(loaded.error().message.size() < 4000);
      } else {
        logits_of(**loaded);  // metadata may differ; nothing breaks
      }
    }
  CHECK(refusals > 300);  // the beginning is metadata in part, where many flips are legal
}

TEST_CASE("load: any byte of the tensors' table flipped") {
  const std::string whole = contents(golden_folder("llama_default/model.safetensors"));
  const TemporaryFolder folder;
  folder.write("config.json", Parts().config);
  const std::size_t begin = whole.find("\"lm_head.weight\"");
  REQUIRE(begin != std::string::npos);
  for (std::size_t at = begin; at < begin + 200; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    folder.write("model.safetensors", damaged);
    CAPTURE(at - begin, whole.substr(at, 1));
    const auto loaded = load<Model>(folder.path().string());
    CHECK(!loaded.has_value());
  }
}

TEST_CASE("load: data at odd addresses computes the same, packed or where it lies") {
  const std::string whole = contents(golden_folder("llama_default/model.safetensors"));
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  for (std::uint64_t pad = 0; pad < 8; ++pad) {
    const std::string shifted = safetensors_file(whole.substr(8, header) + std::string(pad, ' '), std::string_view(whole).substr(8 + header));
    const TemporaryFolder folder;
    folder.write("config.json", Parts().config);
    folder.write("model.safetensors", shifted);
    CAPTURE(pad);
    for (const Packing pack : {Packing::automatic, Packing::always, Packing::never})
      for (const bool copy : {false, true}) {
        const auto loaded = load<Model>(folder.path().string(), {.copy = copy, .pack = pack});
        REQUIRE(loaded);
        REQUIRE_SAME_BITS(logits_of(**loaded), golden_logits());
        const std::size_t matrices = static_cast<std::size_t>(Model::parameters() - 5 * 48) * 4;
        const bool copied = loaded->copied_bytes() > matrices;
        CHECK(copied == (pack != Packing::never || (header + pad) % 4 != 0));
      }
  }
}

TEST_CASE("load: packed, mapped, or by size") {
  const std::string folder = golden_folder("llama_default");
  const auto layouts = [&](const LoadOptions& options) {
    auto loaded = load<Model>(folder, options);
    REQUIRE(loaded);
    int panels = 0, rows = 0;
    Model model = loaded->model();
    model.each_parameter([&]<class P>(const std::string&, P& p) {
      if constexpr (!is_view<P>) ++(p.layout == Layout::panels ? panels : rows);
    });
    REQUIRE(panels + rows == 16);  // embedding, head, and seven matrices in each of two layers
    return panels;
  };
  CHECK(layouts({}) == 16);
  CHECK(layouts({.pack = Packing::always}) == 16);
  CHECK(layouts({.pack = Packing::never}) == 0);
  CHECK(layouts({.pack_below = 1000}) == 0);
  CHECK(layouts({.pack = Packing::always, .pack_below = 1000}) == 16);
}

TEST_CASE("load: shards are the single file") {
  const Parts c;
  for (const std::size_t cut : {std::size_t{1}, c.parts.size() / 2, c.parts.size() - 1}) {
    const TemporaryFolder folder;
    folder.write("config.json", c.config);
    c.write_parts(folder / "model-00001-of-00002.safetensors", 0, cut);
    c.write_parts(folder / "model-00002-of-00002.safetensors", cut, c.parts.size());
    std::string index = R"({"metadata": {"total_size": )";
    std::size_t total = 0;
    for (const Part& p : c.parts) total += p.bytes.size();
    index += text(total, R"(}, "weight_map": {)");
    for (std::size_t i = 0; i < c.parts.size(); ++i)
      index += text(i ? ", " : "", "\"", c.parts[i].name, R"(": "model-0000)", i < cut ? 1 : 2, R"(-of-00002.safetensors")");
    folder.write("model.safetensors.index.json", index + "}}");
    REQUIRE_SAME_BITS(logits_in(folder.path().string()), golden_logits());
    std::filesystem::remove(folder / "model-00002-of-00002.safetensors");
    refused(folder.path().string(), errc::not_found, {"model-00002-of-00002.safetensors"});
  }
}

TEST_CASE("load: each tensor has its own format") {
  // Every second matrix and vector as bf16, holding values that bf16 holds exactly.
  Parts wide, mixed;
  for (std::size_t i = 0; i < wide.parts.size(); i += 2) {
    Part& w = wide.parts[i];
    Part& m = mixed.parts[i];
    const std::vector<float> numbers = widened(w.info());
    m.dtype = DType::bf16;
    m.bytes.resize(numbers.size() * 2);
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      const bf16 rounded(numbers[k]);
      const float exact = rounded;
      std::memcpy(w.bytes.data() + 4 * k, &exact, 4);
      std::memcpy(m.bytes.data() + 2 * k, &rounded, 2);
    }
  }
  const TemporaryFolder one, other;
  wide.write(one);
  mixed.write(other);
  REQUIRE_SAME_BITS(logits_in(other.path().string()), logits_in(one.path().string()));
}

TEST_CASE("load: missing and broken files, each in one sentence") {
  refused("/no/such/folder", errc::not_found, {"/no/such/folder"});
  const TemporaryFolder folder;
  refused(folder.path().string(), errc::not_found, {"config.json"});
  folder.write("config.json", "{\"model_type\": \"llama\"");
  refused(folder.path().string(), errc::format, {"config.json"});
  folder.write("config.json", R"({"model_type": "mystery"})");
  refused(folder.path().string(), errc::unsupported, {"config.json", "mystery", "llama"});
  folder.write("config.json", R"({"model_type": "llama", "hidden_size": 48})");
  refused(folder.path().string(), errc::format, {"config.json", "num_attention_heads"});
  folder.write("config.json", Parts().config);
  refused(folder.path().string(), errc::not_found, {"model.safetensors"});
}

TEST_CASE("load: a folder without a name is not the root of the file system") {
  const auto refuses = [](const auto& r) {
    REQUIRE(!r.has_value());
    CHECK(r.error().code == errc::invalid_argument);
    CHECK(r.error().message.find("the name of the model folder is empty; give the folder") == 0);
  };
  refuses(load<Model>(""));
  refuses(load_any<llama_default>(Reference{}, ""));
  refuses(read_model_config(""));
  refuses(zoo::load_config(""));
  refuses(read_generation_config(""));
  refuses(Checkpoint::open(""));
  const TemporaryFolder folder;
  refuses(quantize_checkpoint("", (folder.path() / "q8").string()));
  CHECK(!std::filesystem::exists(folder.path() / "q8"));
}

TEST_CASE("load: memory that is refused, progress that is reported and cancels") {
  struct Nothing final : MemoryResource {
    void* allocate(std::size_t, std::size_t) noexcept override { return nullptr; }
    void deallocate(void*, std::size_t, std::size_t) noexcept override {}
  } nothing;
  const auto none = load<Model>(golden_folder("llama_default"), {.memory = &nothing});
  REQUIRE(!none);
  CHECK(none.error().code == errc::out_of_memory);

  int reports = 0;
  auto watch = [&](const Progress& p) {
    ++reports;
    CHECK(p.done <= p.total);
    return true;
  };
  CHECK(load<Model>(golden_folder("llama_default"), {.progress = watch}));
  CHECK(reports >= 1);
  auto stop = [](const Progress&) { return false; };
  for (const bool copy : {false, true}) {
    const auto cancelled = load<Model>(golden_folder("llama_default"), {.progress = stop, .copy = copy});
    REQUIRE(!cancelled);
    CHECK(cancelled.error().code == errc::cancelled);
  }
}

TEST_CASE("load: the model stays where it is when what was loaded moves") {
  auto loaded = load<Model>(golden_folder("llama_default"));
  REQUIRE(loaded);
  const Model* at = &**loaded;
  auto session = make_session(*loaded, Reference{}, {.context = 8});
  REQUIRE(session);
  const Loaded<Model> moved = std::move(*loaded);
  CHECK(&*moved == at);
  CHECK(session->prefill(std::vector<std::int32_t>{1, 2, 3}));
  CHECK(moved.checkpoint().find("lm_head.weight") != nullptr);
}

namespace {
std::optional<Loaded<Model>> global;  // initialised before main(), so it goes after the statics of functions
}

TEST_CASE("load: a global model gives its memory back after huge_pages() is gone") {
  auto loaded = load<Model>(golden_folder("llama_default"));  // from huge_pages(); the end of this program is the test
  REQUIRE(loaded);
  global.emplace(std::move(*loaded));
  CHECK(global->copied_bytes() > 0);
  CHECK(std::is_trivially_destructible_v<HugePages>);
}
#endif
