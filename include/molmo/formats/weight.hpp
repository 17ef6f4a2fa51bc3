// SPDX-License-Identifier: Apache-2.0
// Weight<Shape<N, K>>: a borrowed weight matrix whose sizes are in the type and whose format is known at run time, as
// a checkpoint dictates it. FormatId names the format: a number in the list of those that have fast kernels, which
// with_format turns into a type again, once per op and never per element; or the traits of a format of the user's own,
// whose weights kernels decode.
//
// A matrix lies in memory in one of two ways: row after row, as checkpoints have it, or in panels of 16 interleaved
// rows, as kernels like it best (panels.hpp packs one into the other).
#pragma once

#include <molmo/core/contract.hpp>
#include <molmo/core/view.hpp>
#include <molmo/formats/bf16.hpp>
#include <molmo/formats/f16.hpp>
#include <molmo/formats/f32.hpp>
#include <molmo/formats/q4.hpp>
#include <molmo/formats/q8.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace molmo::inline v0 {

template <WeightFormat... F>
struct FormatList {
  static constexpr int size = static_cast<int>(sizeof...(F));
};

/// The formats of the library, in the order of FormatId: those that files have and kernels know.
using Formats = FormatList<F32, Bf16, F16, Q8, Q4>;

/// The format of a weight: one of Formats, by its number, or one of your own, by its traits; see format_id.
class FormatId {
 public:
  constexpr FormatId() = default;
  /// The format with this number in Formats.
  constexpr explicit FormatId(int index) : index_(index) {}
  /// A format that is none of Formats.
  constexpr explicit FormatId(const FormatTraits& own) : own_(&own), index_(-1) {}

  /// The number in Formats, -1 for a format of your own.
  constexpr explicit operator int() const { return index_; }
  /// The traits of a format of your own, null for one of Formats.
  [[nodiscard]] constexpr const FormatTraits* own() const { return own_; }

  /// Formats of your own are the same where their names are.
  friend constexpr bool operator==(FormatId a, FormatId b) {
    if (a.own_ == nullptr || b.own_ == nullptr || a.own_ == b.own_) return a.index_ == b.index_ && a.own_ == b.own_;
    return std::string_view(a.own_->name) == b.own_->name;
  }

 private:
  const FormatTraits* own_ = nullptr;
  int index_ = 0;
};

namespace detail {

template <class F, class... All>
constexpr FormatId id_in(FormatList<All...>) {
  if constexpr ((std::is_same_v<F, All> || ...)) {
    int index = -1, i = 0;
    ((index = std::is_same_v<F, All> ? i : index, ++i), ...);
    return FormatId(index);
  } else {
    static_assert(F::block > 0 && decoded_at_once % F::block == 0,
                  "molmo: the blocks of a weight format divide 256 weights, which is what kernels decode at once; "
                  "choose 1, 2, 4 ... 256 weights a block");
    return FormatId(format_traits<F>);
  }
}

template <class Body, class First, class... Rest>
decltype(auto) with_format_at(int index, FormatList<First, Rest...>, Body&& body) {
  if constexpr (sizeof...(Rest) > 0) {
    if (index != 0) return with_format_at(index - 1, FormatList<Rest...>{}, std::forward<Body>(body));
  }
  return body(First{});
}

}  // namespace detail

inline namespace MOLMO_ISA {

/// The format F, for a Weight: one of Formats, or a struct of your own that keeps the contract of formats/format.hpp.
template <WeightFormat F>
inline constexpr FormatId format_id = detail::id_in<F>(Formats{});

}  // inline namespace MOLMO_ISA

/// body(F{}) for the format F with this number, which must be one of Formats: kernels call this, and nothing checks it.
template <class Body>
decltype(auto) with_format(FormatId id, Body&& body) {
  return detail::with_format_at(static_cast<int>(id), Formats{}, std::forward<Body>(body));
}

/// Is it one of Formats?
[[nodiscard]] constexpr bool is_listed(FormatId id) {
  return static_cast<int>(id) >= 0 && static_cast<int>(id) < Formats::size;
}

/// The name of a format: "f32", "bf16", ...; "unknown" for a number that is none of Formats.
[[nodiscard]] inline const char* format_name(FormatId id) {
  if (id.own() != nullptr) return id.own()->name;
  if (!is_listed(id)) return "unknown";
  return with_format(id, []<class F>(F) -> const char* { return F::name; });
}

inline namespace MOLMO_ISA {

/// Blocks that `weights` weights of one row take in a format, and their bytes.
[[nodiscard]] inline index_t blocks_of(FormatId id, index_t weights) {
  if (id.own() != nullptr) return (weights + id.own()->block - 1) / id.own()->block;
  return with_format(id, [&]<class F>(F) { return format_blocks<F>(weights); });
}
[[nodiscard]] inline index_t bytes_of(FormatId id, index_t weights) {
  if (id.own() != nullptr) return blocks_of(id, weights) * id.own()->bytes;
  return with_format(id, [&]<class F>(F) { return format_bytes<F>(weights); });
}

}  // inline namespace MOLMO_ISA

/// The format of this name, if there is one.
[[nodiscard]] inline std::optional<FormatId> format_named(std::string_view name) {
  for (int i = 0; i < Formats::size; ++i)
    if (format_name(static_cast<FormatId>(i)) == name) return static_cast<FormatId>(i);
  return std::nullopt;
}

/// Rows that a panel interleaves.
inline constexpr index_t panel_rows = 16;

/// How a matrix lies in memory.
enum class Layout : std::uint8_t {
  rows,   ///< row after row, each format_bytes(cols) long
  panels  ///< 16 rows interleaved; see panels.hpp
};

inline namespace MOLMO_ISA {

/// A weight matrix with run-time sizes: what kernels see.
struct WeightMatrix {
  const std::byte* data = nullptr;  ///< the numbers or blocks; in panels of a block format, the codes
  FormatId format = format_id<F32>;
  index_t rows = 0, cols = 0;
  Layout layout = Layout::rows;
  const std::byte* scales = nullptr;  ///< f16, in panels of a block format only

  /// Bytes from one row to the next (Layout::rows), and of an average row in panels.
  [[nodiscard]] index_t row_bytes() const { return bytes_of(format, cols); }
  /// Rows [first, first + count) of the matrix; in panels, which interleave 16 rows, `first` is a multiple of 16
  /// (contract_error).
  [[nodiscard]] MOLMO_NOINLINE WeightMatrix slice(index_t first, index_t count) const {
    expects(first >= 0 && count >= 0 && first <= rows && count <= rows - first,
            "molmo: WeightMatrix::slice(first, count): the matrix has fewer rows");
    expects(layout == Layout::rows || first % panel_rows == 0,
            "molmo: WeightMatrix::slice(first, count): a matrix in panels is cut at multiples of 16 rows only; load it "
            "with {.pack = Packing::never}, or unpack it (formats/panels.hpp)");
    WeightMatrix part = *this;
    part.rows = count;
    const index_t scale_bytes = scales ? first * blocks_of(format, cols) * static_cast<index_t>(sizeof(f16)) : 0;
    part.data += first * row_bytes() - scale_bytes;
    if (scales) part.scales += scale_bytes;
    return part;
  }
};

}  // inline namespace MOLMO_ISA

/// A weight matrix [N, K] = [out, in], borrowed from a mapped file or an arena.
template <class S>
struct Weight {
  static_assert(is_shape<S> && S::rank == 2 && !S::dynamic, "molmo: a Weight has a static shape [out, in]");
  using shape = S;
  const std::byte* data = nullptr;
  const std::byte* scales = nullptr;
  FormatId format = format_id<F32>;
  Layout layout = Layout::rows;

  Weight() = default;
  /// Rows of blocks, one after another, in the format format_id<F>, yours or the library's.
  Weight(const std::byte* bytes, FormatId id) : data(bytes), format(id) {}
  /// A matrix of these sizes.
  explicit Weight(const WeightMatrix& m) : data(m.data), scales(m.scales), format(m.format), layout(m.layout) {}
  /// A matrix of plain numbers that lies in a tensor or a view.
  template <class T>
  Weight(const View<T, S>& v)
      : data(reinterpret_cast<const std::byte*>(v.data)),
        format(std::is_same_v<std::remove_const_t<T>, float>  ? format_id<F32>
               : std::is_same_v<std::remove_const_t<T>, bf16> ? format_id<Bf16>
                                                              : format_id<F16>) {
    using N = std::remove_const_t<T>;
    static_assert(std::is_same_v<N, float> || std::is_same_v<N, bf16> || std::is_same_v<N, f16>,
                  "molmo: the weights of a matmul are float, bf16 or f16; convert other numbers first");
  }

  [[nodiscard]] WeightMatrix matrix() const { return {data, format, S::static_rows, S::cols, layout, scales}; }
};

/// Rows [First, First + Count) of a weight matrix, as one of the parts of a fused one: rows<0, 64>(w). In panels, which
/// interleave 16 rows, First is a multiple of 16 (contract_error).
template <index_t First, index_t Count, class S>
[[nodiscard]] Weight<Shape<Count, S::cols>> rows(Weight<S> w) {
  static_assert(First >= 0 && Count > 0 && First + Count <= S::static_rows,
                "molmo: rows<First, Count>(w): the weight matrix w has fewer rows");
  return Weight<Shape<Count, S::cols>>(w.matrix().slice(First, Count));
}

}  // namespace molmo::inline v0
