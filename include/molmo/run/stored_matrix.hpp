// SPDX-License-Identifier: Apache-2.0
// How a checkpoint stores a matrix: what its tensors are called and what they look like. load() reads it, and
// quantize_checkpoint() writes it.
//
//   plain numbers   NAME            F32, BF16 or F16   [N, K]
//   q8 (q4)         NAME            I8 (U8)            [N/16, K/32, B/4, 16, 4], B = 32 (16): codes of panels.hpp
//                   NAME_scale      F16                [N/16, K/32, 16]; N/16 and K/32 rounded up
//                   and in __metadata__ "NAME": "q8 [N, K]", since those shapes are also those of other N and K
// Matrices of all these formats may stand side by side in one checkpoint.
#pragma once

#include <molmo/formats/panels.hpp>
#include <molmo/io/checkpoint.hpp>
#include <molmo/models/zoo/names.hpp>

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace molmo::inline v0::inline MOLMO_ISA {

/// The format of a tensor's elements; `known` is false for elements that weights are never made of.
struct StoredFormat {
  FormatId id = format_id<F32>;
  bool known = true;
};
[[nodiscard]] constexpr StoredFormat stored_format(DType d) {
  switch (d) {
    case DType::f32:
      return {format_id<F32>};
    case DType::bf16:
      return {format_id<Bf16>};
    case DType::f16:
      return {format_id<F16>};
    case DType::i8:
      return {format_id<Q8>};
    case DType::u8:
      return {format_id<Q4>};
    default:
      return {format_id<F32>, false};
  }
}
/// The other way round.
[[nodiscard]] constexpr DType stored_dtype(FormatId id) {
  return id == format_id<Q8>     ? DType::i8
         : id == format_id<Q4>   ? DType::u8
         : id == format_id<Bf16> ? DType::bf16
         : id == format_id<F16>  ? DType::f16
                                 : DType::f32;
}
[[nodiscard]] inline bool is_block_format(FormatId id) {
  return with_format(id, []<class F>(F) { return BlockFormat<F>; });
}

/// The shapes of the tensors of a matrix [rows, cols] in a block format.
struct PanelShapes {
  std::array<std::uint64_t, 5> codes;
  std::array<std::uint64_t, 3> scales;

  PanelShapes(FormatId format, index_t rows, index_t cols) {
    const auto panels = static_cast<std::uint64_t>((rows + panel_rows - 1) / panel_rows);
    with_format(format, [&]<class F>(F) {
      const auto blocks = static_cast<std::uint64_t>(format_blocks<F>(cols));
      codes = {panels, blocks, static_cast<std::uint64_t>((F::bytes - 2) / 4), 16, 4};
      scales = {panels, blocks, 16};
    });
  }
};

[[nodiscard]] inline std::string scale_name(std::string_view matrix) { return text(matrix, "_scale"); }

/// Finds tensors under the checkpoint's names; some files leave out the leading "model.".
class TensorNames {
 public:
  TensorNames(const Checkpoint& c, std::span<const zoo::NamePair> table) : table_(table) {
    const TensorInfo* any = c.find(zoo::checkpoint_name(table, "embedding.weight"));
    stripped_ = any == nullptr && c.find(strip(zoo::checkpoint_name(table, "embedding.weight"))) != nullptr;
  }
  /// The checkpoint's name of our parameter; empty where the family has none of that name.
  [[nodiscard]] std::string of(std::string_view canonical) const {
    std::string name = zoo::checkpoint_name(table_, canonical);
    return stripped_ ? strip(std::move(name)) : name;
  }
  /// Is this the name of a weight that the family's table has, whatever its layer?
  [[nodiscard]] bool is_known(std::string_view theirs) const {
    const std::string full = stripped_ && !theirs.starts_with("lm_head") ? text("model.", theirs) : std::string(theirs);
    const zoo::detail::LayerNumber n = zoo::detail::layer_number(full);
    for (const zoo::NamePair& p : table_) {
      const bool whole = p.ours.ends_with(".weight");
      if (!whole && !full.ends_with(".weight")) continue;
      const std::size_t tail = whole ? 0 : std::string_view(".weight").size();
      if (zoo::detail::matches(p.theirs, std::string_view(full).substr(0, full.size() - tail), n)) return true;
    }
    return false;
  }
  /// The same for everything that a layer has: weights and biases.
  [[nodiscard]] bool is_parameter(std::string_view theirs) const {
    const std::string_view bias = ".bias";
    return is_known(theirs) ||
           (theirs.ends_with(bias) && is_known(text(theirs.substr(0, theirs.size() - bias.size()), ".weight")));
  }

 private:
  static std::string strip(std::string name) {
    if (name.starts_with("model.")) name.erase(0, 6);
    return name;
  }

  std::span<const zoo::NamePair> table_;
  bool stripped_ = false;
};

}  // namespace molmo::inline v0::inline MOLMO_ISA

namespace molmo::inline v0::detail::inline MOLMO_ISA {

/// What is wrong with the description of a matrix of blocks in the file's metadata, or nothing.
[[nodiscard]] inline std::string described_otherwise(const std::string& name, std::string_view says, FormatId format,
                                                     std::span<const std::uint64_t> wanted) {
  const std::string right = text(format_name(format), " ", shape_text(wanted));
  if (says == right) return {};
  if (says.empty()) return text("missing: the shape of ", name, " in the file's __metadata__, \"", right, "\"");
  return text("other shape: ", name, " is ", in_quotes(says), " by the file's __metadata__, the type needs ", right);
}

/// What config.json's quantization_config says (`says`: "q8", "q4" or nothing) that the tensors contradict, or nothing.
[[nodiscard]] inline std::string quantised_otherwise(const Checkpoint& c, std::string_view says) {
  if (says.empty()) return {};
  bool any = false;
  for (const TensorInfo* t : c.tensors()) {
    const StoredFormat format = stored_format(t->dtype);
    if (!format.known || !is_block_format(format.id) || c.find(scale_name(t->name)) == nullptr) continue;
    any = true;
    if (says != format_name(format.id))
      return text("quantization_config: it says ", says, ", but tensor ", in_quotes(t->name), " is ",
                  format_name(format.id));
  }
  return any ? std::string() : text("quantization_config: it says ", says, ", but no tensor is");
}

}  // namespace molmo::inline v0::detail::inline MOLMO_ISA

namespace molmo::inline v0::inline MOLMO_ISA {

/// A matrix as it lies in the files. `problem` says what does not fit; a parameter is loaded only where it is empty.
struct StoredMatrix {
  const TensorInfo* data = nullptr;
  const TensorInfo* scales = nullptr;  ///< of block formats
  WeightMatrix matrix;
  std::string problem;
};

/// The matrix [rows, cols] called `name` of a Checkpoint or of one SafeTensors; tensors that are there are in data and
/// scales, even where there is a problem.
template <class Tensors>
[[nodiscard]] StoredMatrix find_matrix(const Tensors& c, const std::string& name, index_t rows, index_t cols) {
  const std::uint64_t wanted[] = {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols)};
  StoredMatrix m;
  m.data = c.find(name);
  if (m.data == nullptr) {
    m.problem = text("missing: ", name, " ", shape_text(wanted));
    return m;
  }
  const StoredFormat format = stored_format(m.data->dtype);
  m.matrix = {m.data->bytes.data(), format.id, rows, cols, Layout::rows, nullptr};
  const auto same = [](std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  };
  if (!format.known) {
    m.problem = text("unsupported: ", name, " is ", name_of(m.data->dtype),
                     "; weights are F32, F16 or BF16, or I8 or U8 as `molmo quantize` writes them");
  } else if (!is_block_format(format.id)) {
    if (!same(m.data->shape, wanted))
      m.problem =
          text("other shape: ", name, " is ", shape_text(m.data->shape), ", the type needs ", shape_text(wanted));
  } else {
    const PanelShapes panels(format.id, rows, cols);
    m.scales = c.find(scale_name(name));
    if (!same(m.data->shape, panels.codes))
      m.problem = text("other shape: ", name, " is ", shape_text(m.data->shape), ", the type needs ",
                       shape_text(wanted), ", in ", format_name(format.id), " ", shape_text(panels.codes));
    else if (m.scales == nullptr)
      m.problem = text("missing: ", scale_name(name), " ", shape_text(panels.scales), ", the scales of ", name);
    else if (m.scales->dtype != DType::f16)
      m.problem = text("unsupported: ", scale_name(name), " is ", name_of(m.scales->dtype), "; scales are F16");
    else if (!same(m.scales->shape, panels.scales))
      m.problem = text("other shape: ", scale_name(name), " is ", shape_text(m.scales->shape), ", the scales of ", name,
                       " are ", shape_text(panels.scales));
    else
      m.problem = detail::described_otherwise(name, c.metadata_of(*m.data), format.id, wanted);
    if (m.problem.empty()) m.matrix.layout = Layout::panels, m.matrix.scales = m.scales->bytes.data();
  }
  return m;
}

}  // namespace molmo::inline v0::inline MOLMO_ISA
