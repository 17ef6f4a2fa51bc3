// SPDX-License-Identifier: Apache-2.0
// Weights from a checkpoint into a model: load<Model>(directory).
//
// Matrices stay where they are, in the mapped file, in the file's own format; only norm weights, biases and what the file
// left misaligned are copied, into one arena. The matrices of a model so small that it lives in the caches are copied too,
// to the start of cache lines: a register load that straddles two lines takes twice as long. The checkpoint must fit the type: otherwise one report names every config
// field that differs and every tensor that is missing, unused or of another shape, and nothing is loaded.
#pragma once

#include <molmo/io/checkpoint.hpp>
#include <molmo/models/llm.hpp>
#include <molmo/models/zoo/load_config.hpp>

#include <memory>
#include <string>
#include <vector>

namespace molmo::inline v0 {

struct LoadOptions {
  ProgressSink progress{};                              ///< told while files are opened
  bool copy = false;                                    ///< read the files into memory instead of mapping them
  std::uint64_t align_below = std::uint64_t{32} << 20;  ///< checkpoints of fewer bytes are copied to aligned memory
  MemoryResource* memory = nullptr;                     ///< for the arena; null: the heap
  const zoo::Family* family = nullptr;  ///< a family of your own; null: the one that config.json's model_type names
};

/// A model and all that it borrows from: the checkpoint's files and an arena. Movable; the model stays where it is.
template <class M>
class Loaded {
 public:
  [[nodiscard]] const M& model() const& MOLMO_LIFETIMEBOUND { return state_->model; }
  [[nodiscard]] const M& operator*() const& MOLMO_LIFETIMEBOUND { return state_->model; }
  [[nodiscard]] const M* operator->() const& MOLMO_LIFETIMEBOUND { return &state_->model; }
  [[nodiscard]] const Checkpoint& checkpoint() const& MOLMO_LIFETIMEBOUND { return state_->checkpoint; }
  /// Bytes that were copied out of the files (norm weights, biases, misaligned matrices, small models).
  [[nodiscard]] std::size_t copied_bytes() const { return state_->arena.used(); }

 private:
  struct State {
    Checkpoint checkpoint;
    Arena arena{};
    M model{};
    explicit State(Checkpoint c) : checkpoint(std::move(c)) {}
  };
  explicit Loaded(std::unique_ptr<State> s) : state_(std::move(s)) {}

  std::unique_ptr<State> state_;

  template <class Model>
  friend result<Loaded<Model>> load(const std::string&, const LoadOptions&);
};

namespace detail {

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

[[nodiscard]] inline bool known_format(DType d) { return d == DType::f32 || d == DType::bf16 || d == DType::f16; }
[[nodiscard]] inline FormatId format_of(DType d) {
  return d == DType::bf16 ? format_id<Bf16> : d == DType::f16 ? format_id<F16> : format_id<F32>;
}
[[nodiscard]] inline bool misaligned(const TensorInfo& t, std::uintptr_t alignment) {
  return reinterpret_cast<std::uintptr_t>(t.bytes.data()) % alignment != 0;
}
/// Does this matrix have to be copied? Always where its numbers are misaligned; in a small checkpoint for speed, too.
[[nodiscard]] inline bool must_copy(const TensorInfo& t, bool cache_sized) {
  return misaligned(t, static_cast<std::uintptr_t>(bytes_per_element(t.dtype))) ||
         (cache_sized && misaligned(t, cache_line));
}

/// Tensors that are no weights: tables that old checkpoints saved along with them.
[[nodiscard]] inline bool is_buffer(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

template <class P>
inline constexpr bool is_weight = false;
template <class S>
inline constexpr bool is_weight<Weight<S>> = true;

/// Does the tensor have the parameter's shape?
template <class P>
[[nodiscard]] bool fits(const TensorInfo& t) {
  if constexpr (is_weight<P>)
    return t.shape.size() == 2 && t.shape[0] == static_cast<std::uint64_t>(P::shape::static_rows) &&
           t.shape[1] == static_cast<std::uint64_t>(P::shape::cols);
  else
    return t.shape.size() == 1 && t.shape[0] == static_cast<std::uint64_t>(P::shape::cols);
}
template <class P>
[[nodiscard]] std::string shape_of() {
  return is_weight<P> ? text("[", P::shape::static_rows, ", ", P::shape::cols, "]") : text("[", P::shape::cols, "]");
}

/// Finds tensors under the checkpoint's names; some files leave out the leading "model.".
class Names {
 public:
  Names(const Checkpoint& c, std::span<const zoo::NamePair> table) : table_(table) {
    const TensorInfo* any = c.find(zoo::checkpoint_name(table, "embedding.weight"));
    stripped_ = any == nullptr && c.find(strip(zoo::checkpoint_name(table, "embedding.weight"))) != nullptr;
  }
  [[nodiscard]] std::string of(std::string_view canonical) const {
    std::string name = zoo::checkpoint_name(table_, canonical);
    return stripped_ ? strip(std::move(name)) : name;
  }

 private:
  static std::string strip(std::string name) { return name.starts_with("model.") ? name.substr(6) : name; }

  std::span<const zoo::NamePair> table_;
  bool stripped_ = false;
};

/// Every tensor against every parameter: the report, and the bytes that have to be copied.
template <class M>
std::size_t compare(M& model, const Checkpoint& checkpoint, const Names& names, bool cache_sized, Report& report) {
  std::size_t copied = 0;
  std::vector<std::string> used;
  model.each_parameter([&]<class P>(const std::string& canonical, P&) {
    const std::string name = names.of(canonical);
    const TensorInfo* t = name.empty() ? nullptr : checkpoint.find(name);
    if (t == nullptr) return report.add(text("missing: ", name.empty() ? canonical : name, " ", shape_of<P>()));
    used.push_back(name);
    if (!known_format(t->dtype))
      report.add(text("unsupported: ", name, " is ", name_of(t->dtype), "; weights are F32, F16 or BF16"));
    else if (!fits<P>(*t))
      report.add(text("other shape: ", name, " is ", shape_text(t->shape), ", the type needs ", shape_of<P>()));
    else if (!is_weight<P> || must_copy(*t, cache_sized))
      copied += is_weight<P> ? Arena::padded<std::byte>(t->bytes.size()) : Arena::padded<float>(P::shape::cols);
  });
  std::sort(used.begin(), used.end());
  const std::string head = names.of("head.weight");
  for (const TensorInfo* t : checkpoint.tensors()) {
    const bool tied_copy = M::config.weight_tying && t->name == head;  // the embedding is used, as Hugging Face does
    if (!tied_copy && !is_buffer(t->name) && !std::binary_search(used.begin(), used.end(), t->name))
      report.add(text("unused: ", t->name, " ", shape_text(t->shape)));
  }
  return copied;
}

/// Points every parameter at its tensor.
template <class M>
void bind(M& model, const Checkpoint& checkpoint, const Names& names, bool cache_sized, Arena& arena) {
  model.each_parameter([&]<class P>(const std::string& canonical, P& parameter) {
    const TensorInfo& t = *checkpoint.find(names.of(canonical));
    if constexpr (is_weight<P>) {
      const std::byte* data = t.bytes.data();
      if (must_copy(t, cache_sized)) {
        std::byte* copy = arena.take<std::byte>(t.bytes.size());
        std::memcpy(copy, data, t.bytes.size());
        data = copy;
      }
      parameter = P(data, format_of(t.dtype));
    } else {
      float* copy = arena.take<float>(P::shape::cols);
      with_format(format_of(t.dtype), [&]<class F>(F) {
        for (index_t i = 0; i < P::shape::cols; ++i) F::decode(t.bytes.data() + i * F::bytes, copy + i);
      });
      parameter = P(copy);
    }
  });
}

}  // namespace detail

/// Loads a Hugging Face checkpoint folder into the model type M = Llm<config>. errc::mismatch carries the report of all that
/// does not fit; other errors come from the files.
template <class M>
[[nodiscard]] result<Loaded<M>> load(const std::string& directory, const LoadOptions& options = {}) {
  const result<zoo::ModelConfig> file = zoo::load_config(directory, options.family);
  if (!file) return fail(file.error());
  detail::Report report;
  for (const std::string& line : differences(M::config, file->config)) report.add(line);

  result<Checkpoint> checkpoint = Checkpoint::open(directory, {.copy = options.copy, .progress = options.progress});
  if (!checkpoint) return fail(checkpoint.error());
  using State = typename Loaded<M>::State;
  auto state = std::make_unique<State>(std::move(*checkpoint));
  const detail::Names names(state->checkpoint, file->family->names);
  const bool cache_sized = state->checkpoint.bytes() < options.align_below;
  const std::size_t copied = detail::compare(state->model, state->checkpoint, names, cache_sized, report);
  if (!report.empty())
    return fail(errc::mismatch,
                text("the checkpoint in ", directory, " does not fit this model type:", report.joined()));
  state->arena = Arena(copied, options.memory);
  if (!state->arena.ok()) return fail(errc::out_of_memory, text("no memory for ", copied, " bytes of weights"));
  detail::bind(state->model, state->checkpoint, names, cache_sized, state->arena);
  return Loaded<M>(std::move(state));
}

}  // namespace molmo::inline v0
