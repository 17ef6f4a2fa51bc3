// SPDX-License-Identifier: Apache-2.0
// Weights from a checkpoint into a model: load<Model>(directory).
//
// The matrices of a large model stay where they are, in the mapped files, in their own format; only norm weights,
// biases and what the files left misaligned are copied, into one arena. A model that may live in the caches is copied
// whole, to huge pages, and its matrices of plain numbers are packed into panels, as the kernels like them best
// (formats/panels.hpp); see LoadOptions. The checkpoint must fit the type: otherwise one report names every config
// field that differs and every tensor that is missing, unused, of another shape or of a dtype that nothing here reads,
// and nothing is loaded.
#pragma once

#include <molmo/backend/huge_pages.hpp>
#include <molmo/core/guard.hpp>
#include <molmo/models/llm.hpp>
#include <molmo/models/zoo/load_config.hpp>
#include <molmo/run/manifest.hpp>
#include <molmo/run/stored_matrix.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace molmo::inline v0 {

/// Whether matrices are copied out of the files, those of plain numbers into panels.
enum class Packing : std::uint8_t {
  automatic,  ///< checkpoints of fewer than pack_below bytes
  always,
  never  ///< all stay where they are; only what is misaligned is copied
};

struct LoadOptions {
  ProgressSink progress{};  ///< told while files are opened
  bool copy = false;        ///< read the files into memory instead of mapping them
  bool follow_symlinks = false;  ///< allow links that lead out of the folder (see CheckpointOptions)
  Packing pack = Packing::automatic;
  std::uint64_t pack_below = std::uint64_t{64} << 20;  ///< bytes
  MemoryResource* memory = nullptr;                    ///< for the arena; null: huge_pages()
  const zoo::Family* family = nullptr;  ///< a family of your own; null: the one that config.json's model_type names
};

namespace detail {

/// What weights lie in.
struct WeightFiles {
  std::optional<Checkpoint> checkpoint{};
  Arena arena{};
};

}  // namespace detail

template <class M>
class Loaded;

inline namespace MOLMO_ISA {

template <class M>
[[nodiscard]] result<Loaded<M>> load(const std::string& directory, const LoadOptions& options = {});

}  // inline namespace MOLMO_ISA

/// A model and all that it borrows from: the checkpoint's files and an arena. Movable; the model stays where it is.
template <class M>
class Loaded {
 public:
  [[nodiscard]] const M& model() const& MOLMO_LIFETIMEBOUND { return state_->model; }
  [[nodiscard]] const M& operator*() const& MOLMO_LIFETIMEBOUND { return state_->model; }
  [[nodiscard]] const M* operator->() const& MOLMO_LIFETIMEBOUND { return &state_->model; }
  [[nodiscard]] const Checkpoint& checkpoint() const& MOLMO_LIFETIMEBOUND { return *state_->files.checkpoint; }
  /// Bytes that were copied out of the files (norm weights, biases, misaligned matrices, packed ones).
  [[nodiscard]] std::size_t copied_bytes() const { return state_->files.arena.used(); }

 private:
  struct State {
    detail::WeightFiles files{};
    M model{};
  };
  explicit Loaded(std::unique_ptr<State> s) : state_(std::move(s)) {}

  std::unique_ptr<State> state_;

  template <class Model>
  friend result<Loaded<Model>> MOLMO_ISA::load(const std::string&, const LoadOptions&);
};

namespace detail::inline MOLMO_ISA {

/// Lines of a report; at most so many are kept, the rest is counted.
class Report {
 public:
  void add(std::string line) {
    if (lines_.size() < 100)
      lines_.push_back(std::move(line));
    else
      ++more_;
  }
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  [[nodiscard]] std::string joined() const {
    std::string out;
    for (const std::string& l : lines_) out += text("\n  ", l);
    if (more_ > 0) out += text("\n  and ", more_, " more");
    return out;
  }

 private:
  std::vector<std::string> lines_;
  int more_ = 0;
};

/// A name from the file, safe for a terminal.
[[nodiscard]] inline std::string without_quotes(const std::string& quoted) {
  return quoted.substr(1, quoted.size() - 2);
}

/// Tensors that are no weights: tables that old checkpoints saved along with them.
[[nodiscard]] inline bool is_buffer(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

/// What becomes of a stored matrix: it stays (0 bytes), or is copied as it is, packed, or unpacked.
struct Placement {
  enum class How : std::uint8_t { stay, copy, pack, unpack } how = How::stay;
  PanelBytes bytes{};

  /// `pack`: small models are copied; `sliced`: some op takes rows of it that begin at a multiple of `sliced`, or 0.
  Placement(const StoredMatrix& m, bool pack, index_t sliced) {
    const auto off = [](const TensorInfo* t, std::uint64_t alignment) {
      return t != nullptr && reinterpret_cast<std::uintptr_t>(t->bytes.data()) % alignment != 0;
    };
    const bool panels = m.matrix.layout == Layout::panels;
    const bool divisible = sliced % panel_rows == 0;
    // Kernels rely on two things about panels: codes begin at a cache line, and no load of scales crosses one.
    const bool misaligned = panels ? off(m.data, cache_line) || off(m.scales, 2 * panel_rows)
                                   : off(m.data, bytes_per_element(m.data->dtype));
    how = panels && !divisible                                          ? How::unpack
          : !panels && pack && divisible && has_panels(m.matrix.format) ? How::pack
          : pack || misaligned                                          ? How::copy
                                                                        : How::stay;
    if (how == How::pack)
      bytes = panel_bytes(m.matrix.format, m.matrix.rows, m.matrix.cols);
    else if (how == How::unpack)
      bytes.data = m.matrix.rows * m.matrix.row_bytes();
    else if (how == How::copy)
      bytes = {static_cast<index_t>(m.data->bytes.size()), m.scales ? static_cast<index_t>(m.scales->bytes.size()) : 0};
  }
  [[nodiscard]] std::size_t room() const {
    return Arena::padded<std::byte>(static_cast<std::size_t>(bytes.data)) +
           Arena::padded<std::byte>(static_cast<std::size_t>(bytes.scales));
  }
  /// The matrix where it will be read.
  [[nodiscard]] WeightMatrix place(const StoredMatrix& m, Arena& arena) const {
    WeightMatrix out = m.matrix;
    if (how == How::stay) return out;
    std::byte* data = arena.take<std::byte>(static_cast<std::size_t>(bytes.data));
    std::byte* scales = bytes.scales ? arena.take<std::byte>(static_cast<std::size_t>(bytes.scales)) : nullptr;
    if (how == How::copy) {
      std::memcpy(data, out.data, static_cast<std::size_t>(bytes.data));
      if (scales) std::memcpy(scales, out.scales, static_cast<std::size_t>(bytes.scales));
    } else if (how == How::pack) {
      pack_panels(out, data, scales);
      out.layout = Layout::panels;
    } else {
      unpack_panels(out, data);
      out.layout = Layout::rows;
    }
    out.data = data, out.scales = scales;
    return out;
  }
};

/// Rows of the slices that a model takes of a parameter: FeedForward::ff_proj is [up; gate]. 0: none.
[[nodiscard]] inline index_t slice_rows(std::string_view canonical, const LlmConfig& c) {
  return canonical.ends_with(".ff_proj.weight") ? c.mlp_hidden_size : 0;
}

/// Every tensor against every parameter: the report, and the bytes that have to be copied.
[[nodiscard]] inline std::size_t compare(const Manifest& manifest, const LlmConfig& config,
                                         const Checkpoint& checkpoint, const TensorNames& names, bool pack,
                                         Report& report) {
  std::size_t copied = 0;
  std::vector<std::string> used;
  manifest.each([&](const std::string& canonical, const Parameter& p) {
    const std::string name = names.of(canonical);
    if (name.empty()) return report.add(text("missing: ", canonical, ", which this family has no name for"));
    if (!p.vector) {
      const StoredMatrix m = find_matrix(checkpoint, name, p.rows, p.cols);
      if (m.data) used.push_back(name);
      if (m.scales) used.push_back(scale_name(name));
      if (!m.problem.empty()) return report.add(m.problem);
      copied += Placement(m, pack, slice_rows(canonical, config)).room();
      return;
    }
    const TensorInfo* t = checkpoint.find(name);
    if (t == nullptr) return report.add(text("missing: ", name, " [", p.cols, "]"));
    used.push_back(name);
    const StoredFormat format = stored_format(t->dtype);
    if (!format.known || is_block_format(format.id))
      report.add(text("unsupported: ", name, " is ", name_of(t->dtype), "; vectors are F32, F16 or BF16"));
    else if (t->shape.size() != 1 || t->shape[0] != static_cast<std::uint64_t>(p.cols))
      report.add(text("other shape: ", name, " is ", shape_text(t->shape), ", the type needs [", p.cols, "]"));
    copied += Arena::padded<float>(static_cast<std::size_t>(p.cols));
  });
  std::sort(used.begin(), used.end());
  const std::string head = names.of("head.weight");
  for (const TensorInfo* t : checkpoint.tensors()) {
    // A tied model may hold a copy of its head: the embedding is used, as Hugging Face does.
    const bool tied_copy = config.weight_tying && (t->name == head || t->name == scale_name(head));
    if (!tied_copy && !is_buffer(t->name) && !std::binary_search(used.begin(), used.end(), t->name))
      report.add(text("unused: ", without_quotes(in_quotes(t->name)), " ", shape_text(t->shape)));
  }
  return copied;
}

/// Points every parameter at its tensor.
inline void bind(const Manifest& manifest, const LlmConfig& config, const Checkpoint& checkpoint,
                 const TensorNames& names, bool pack, Arena& arena) {
  manifest.each([&](const std::string& canonical, const Parameter& p) {
    const std::string name = names.of(canonical);
    if (!p.vector) {
      const StoredMatrix m = find_matrix(checkpoint, name, p.rows, p.cols);
      return p.set(Placement(m, pack, slice_rows(canonical, config)).place(m, arena));
    }
    const TensorInfo& t = *checkpoint.find(name);
    float* copy = arena.take<float>(static_cast<std::size_t>(p.cols));
    read_row({t.bytes.data(), stored_format(t.dtype).id, 1, p.cols}, 0, copy);
    WeightMatrix at;
    at.data = reinterpret_cast<const std::byte*>(copy);
    p.set(at);
  });
}

/// load() without the model's type.
[[nodiscard]] inline status load_weights(const std::string& directory, const LoadOptions& options,
                                         const LlmConfig& config, const Manifest& manifest, WeightFiles& into) {
  const result<zoo::ModelConfig> file = zoo::load_config(directory, options.family);
  if (!file) return fail(file.error());
  Report report;
  for (const std::string& line : differences(config, file->config)) report.add(line);
  result<Checkpoint> opened = Checkpoint::open(
      directory, {.copy = options.copy, .follow_symlinks = options.follow_symlinks, .progress = options.progress});
  if (!opened) return fail(opened.error());
  const Checkpoint& checkpoint = into.checkpoint.emplace(std::move(*opened));
  const TensorNames names(checkpoint, file->family->names);
  const bool pack = options.pack == Packing::always ||
                    (options.pack == Packing::automatic && checkpoint.bytes() < options.pack_below);
  if (const std::string line = quantised_otherwise(checkpoint, file->quantized); !line.empty()) report.add(line);
  const std::size_t copied = compare(manifest, config, checkpoint, names, pack, report);
  if (!report.empty())
    return fail(errc::mismatch,
                text("the checkpoint in ", in_quotes(directory, 400),
                     " does not fit this model type:", report.joined()));
  into.arena = Arena(copied, options.memory ? options.memory : &huge_pages());
  if (!into.arena.ok()) return fail(errc::out_of_memory, text("no memory for ", copied, " bytes of weights"));
  bind(manifest, config, checkpoint, names, pack, into.arena);
  return {};
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Loads a Hugging Face checkpoint folder into the model type M = Llm<config>. errc::mismatch carries the report of all
/// that does not fit; other errors come from the files.
template <class M>
[[nodiscard]] result<Loaded<M>> load(const std::string& directory, const LoadOptions& options) {
  return without_bad_alloc("loading a model", [&]() -> result<Loaded<M>> {
    auto state = std::make_unique<typename Loaded<M>::State>();
    if (status s = detail::load_weights(directory, options, M::config, Manifest(state->model), state->files); !s)
      return fail(s.error());
    return Loaded<M>(std::move(state));
  });
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
