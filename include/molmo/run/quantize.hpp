// SPDX-License-Identifier: Apache-2.0
// quantize_checkpoint(from, to): a checkpoint folder again, its matrices in another format: q8 or q4 blocks in panels,
// or plain f32, bf16 or f16.
//
//   quantize_checkpoint("OLMo-2-0425-1B", "OLMo-2-0425-1B-q4", {.format = format_id<Q4>});
// Reads and writes some hundred kilobytes at a time, however large the model is. The weights of the family's name table
// are converted; everything else, norms and biases among it, is copied as it is. The new folder loads like any other,
// and its one model.safetensors, whose metadata name the format and the shape of every converted matrix, opens with any
// tool (run/stored_matrix.hpp says what its tensors are). Nothing is overwritten, and model.safetensors gets its name
// last: without it, whatever an interruption left is no model.
#pragma once

#include <molmo/io/companions.hpp>
#include <molmo/io/new_folder.hpp>
#include <molmo/io/safetensors_write.hpp>
#include <molmo/models/zoo/load_config.hpp>
#include <molmo/run/stored_matrix.hpp>

#include <cmath>
#include <stop_token>
#include <string>
#include <vector>

namespace molmo::inline v0 {

struct QuantizeOptions {
  FormatId format = format_id<Q8>;
  /// Matrices that stay as they are: "embeddings", "head" (a tied embedding is both), or a part of their tensors'
  /// names.
  std::vector<std::string> keep{"embeddings", "head"};
  ProgressSink progress{};  ///< counts the bytes read
  std::stop_token stop{};
  const zoo::Family* family = nullptr;  ///< as in LoadOptions
  bool copy = false;             ///< read all files into memory at once: nobody who truncates one then does harm
  bool follow_symlinks = false;  ///< allow links that lead out of the folder; what they point at is copied, too
};

struct QuantizeReport {
  std::uint64_t bytes_before = 0, bytes_after = 0;
  std::size_t converted = 0;  ///< matrices
  std::size_t kept = 0;       ///< matrices
  std::size_t others = 0;     ///< vectors, and what the family's name table does not have
  std::uint64_t vanished =
      0;  ///< weights other than 0 in blocks so small that f16 has no scale for them: they become 0
};

namespace detail::inline MOLMO_ISA {

/// "layers.2" before "layers.10".
[[nodiscard]] inline bool natural_less(std::string_view a, std::string_view b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, k = 0;
  while (i < a.size() && k < b.size()) {
    if (digit(a[i]) && digit(b[k])) {
      const std::size_t ai = i, bk = k;
      while (i < a.size() && digit(a[i])) ++i;
      while (k < b.size() && digit(b[k])) ++k;
      if (i - ai != k - bk) return i - ai < k - bk;
      const int order = a.substr(ai, i - ai).compare(b.substr(bk, k - bk));
      if (order != 0) return order < 0;
    } else {
      if (a[i] != b[k]) return a[i] < b[k];
      ++i, ++k;
    }
  }
  return a.size() - i < b.size() - k;
}

/// One tensor's way from the old file to the new one.
struct Conversion {
  const TensorInfo* from = nullptr;
  bool convert = false, check = false;  // a parameter that is copied must be finite, too
  std::size_t data = 0, scales = 0;  // of the writer's tensors

  [[nodiscard]] index_t rows() const { return static_cast<index_t>(from->shape[0]); }
  [[nodiscard]] index_t cols() const { return static_cast<index_t>(from->shape[1]); }
};

class Quantizer {
 public:
  Quantizer(const Checkpoint& source, const QuantizeOptions& options, QuantizeReport& report)
      : source_(source), options_(options), report_(report) {}

  /// Which tensors become what.
  [[nodiscard]] status plan(const TensorNames& names, bool tied);
  /// Writes them all.
  [[nodiscard]] status run(SafeTensorsWriter& out);

  std::vector<PlannedTensor> tensors{};
  std::vector<std::pair<std::string, std::string>> metadata{{"format", "pt"}};

 private:
  template <WeightFormat F>
  [[nodiscard]] status convert(const Conversion& c, SafeTensorsWriter& out);
  [[nodiscard]] status copy(const Conversion& c, SafeTensorsWriter& out);
  template <WeightFormat F>
  [[nodiscard]] status encode(const Conversion& c, index_t row, const float* in, std::byte* out);
  [[nodiscard]] status finite(const Conversion& c, std::size_t at, std::span<const std::byte> piece);
  [[nodiscard]] static failure not_finite(const Conversion& c, const std::string& place, float x) {
    return fail(errc::format, text("tensor ", in_quotes(c.from->name), ": the weight at [", place, "] is ",
                                   std::isnan(x) ? "not a number" : "infinite",
                                   "; the checkpoint is damaged, take it anew"));
  }
  /// Called after each piece of a tensor: lets the system forget the bytes that were read, and asks whether to go on.
  [[nodiscard]] status proceed(std::span<const std::byte> done) {
    source_.advise(Advice::dont_need, done);
    read_ += done.size();
    if (options_.stop.stop_requested() || !options_.progress.report({"quantize", read_, source_.bytes()}))
      return fail(errc::cancelled, "the conversion was cancelled; nothing is left of it");
    return {};
  }

  static constexpr index_t piece_bytes = index_t{1} << 18;  // read at a time, or 16 rows

  const Checkpoint& source_;
  const QuantizeOptions& options_;
  QuantizeReport& report_;
  std::vector<Conversion> conversions_;
  std::uint64_t read_ = 0;
  std::vector<float> row_;
  std::vector<std::byte> rows_, data_, scales_;
};

inline status Quantizer::plan(const TensorNames& names, bool tied) {
  std::vector<const TensorInfo*> order(source_.tensors().begin(), source_.tensors().end());
  std::sort(order.begin(), order.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return natural_less(a->name, b->name); });
  const std::string embedding = names.of("embedding.weight"), more = names.of("new_embedding.weight"),
                    head = names.of("head.weight");
  std::vector<bool> heard(options_.keep.size());
  std::string example;
  const bool blocks = is_block_format(options_.format);
  for (const TensorInfo* t : order) {
    Conversion c{.from = t, .data = tensors.size()};
    const bool matrix = t->shape.size() == 2 && names.is_known(t->name);
    bool kept = false;
    for (std::size_t i = 0; matrix && i < options_.keep.size(); ++i) {
      const std::string& word = options_.keep[i];
      const bool is_embedding = t->name == embedding || t->name == more;
      const bool is_head = t->name == head || (tied && t->name == embedding);
      const bool named = word == "embeddings" ? is_embedding
                         : word == "head"     ? is_head
                                              : !word.empty() && t->name.find(word) != t->name.npos;
      if (named || word == "embeddings" || word == "head") heard[i] = true;
      kept = kept || named;
    }
    if (matrix) example = t->name;
    const StoredFormat stored = stored_format(t->dtype);
    if (names.is_known(t->name) && source_.find(scale_name(t->name)) != nullptr)
      return fail(errc::unsupported, text("tensor ", in_quotes(t->name),
                                          " is quantised already; take the folder that this one was made from"));
    if (matrix && !kept && (!stored.known || is_block_format(stored.id)))
      return fail(errc::unsupported, text("tensor ", in_quotes(t->name), " is ", name_of(t->dtype),
                                          "; only matrices of F32, BF16 and F16 can be converted"));
    c.convert = matrix && !kept;
    c.check = names.is_parameter(t->name) && stored.known && !is_block_format(stored.id);
    ++(c.convert ? report_.converted : matrix ? report_.kept : report_.others);
    if (!c.convert) {
      tensors.push_back({std::string(t->name), t->dtype, {t->shape.begin(), t->shape.end()}});
    } else if (!blocks) {
      tensors.push_back({std::string(t->name), stored_dtype(options_.format), {t->shape.begin(), t->shape.end()}});
    } else {
      const PanelShapes shapes(options_.format, c.rows(), c.cols());
      c.scales = tensors.size() + 1;
      tensors.push_back(
          {std::string(t->name), stored_dtype(options_.format), {shapes.codes.begin(), shapes.codes.end()}});
      tensors.push_back({scale_name(t->name), DType::f16, {shapes.scales.begin(), shapes.scales.end()}});
      metadata.emplace_back(t->name, text(format_name(options_.format), " ", shape_text(t->shape)));
    }
    conversions_.push_back(c);
  }
  for (std::size_t i = 0; i < heard.size(); ++i)
    if (!heard[i])
      return fail(errc::invalid_argument,
                  text("keep names ", in_quotes(options_.keep[i]), ", but no matrix is called so; there are ",
                       in_quotes(example), " and the like"));
  if (report_.converted == 0)
    return fail(errc::invalid_argument, "nothing would be converted: every matrix is kept, or there is none");
  return {};
}

template <WeightFormat F>
status Quantizer::encode(const Conversion& c, index_t row, const float* in, std::byte* out) {
  const auto bad = [&](index_t col, const auto&... words) {
    return fail(errc::format,
                text("tensor ", in_quotes(c.from->name), ": the weight at [", row, ", ", col, "] ", words...));
  };
  for (index_t k = 0; k < c.cols(); ++k)
    if (!std::isfinite(in[k])) return not_finite(c, text(row, ", ", k), in[k]);
  if constexpr (BlockFormat<F>) {
    encode_row<F>(in, c.cols(), out);
    for (index_t k = 0; k < c.cols(); k += F::block, out += F::bytes) {
      f16 scale;
      std::memcpy(&scale, out, sizeof scale);
      if (std::isinf(static_cast<float>(scale)))
        return bad(k, "stands in a block of 32 that is too large for ", F::name,
                   " (its scale must be below 65520); keep ", "this matrix as it is");
      if (static_cast<float>(scale) == 0)
        for (index_t i = k; i < k + F::block && i < c.cols(); ++i) report_.vanished += in[i] != 0 ? 1u : 0u;
    }
  } else if constexpr (!PlainFormat<F>) {
    return fail(errc::unsupported, text("weights cannot be converted to ", F::name, ", which can only be read"));
  } else {
    for (index_t k = 0; k < c.cols(); ++k, out += F::bytes) {
      const auto x = static_cast<typename F::element>(in[k]);
      if (std::isinf(static_cast<float>(x)))
        return bad(k, "is ", in[k], ", too large for ", F::name,
                   "; choose another format or keep this matrix as it is");
      std::memcpy(out, &x, sizeof x);
    }
  }
  return {};
}

template <WeightFormat F>
status Quantizer::convert(const Conversion& c, SafeTensorsWriter& out) {
  const index_t rows = c.rows(), cols = c.cols();
  const WeightMatrix from{c.from->bytes.data(), stored_format(c.from->dtype).id, rows, cols};
  const index_t row_bytes = from.row_bytes(), new_bytes = format_bytes<F>(cols);
  const index_t panels = (std::max)(index_t{1}, piece_bytes / ((std::max)(index_t{1}, row_bytes) * panel_rows));
  const index_t most = panels * panel_rows;
  row_.resize(static_cast<std::size_t>(cols));
  rows_.resize(static_cast<std::size_t>(most * new_bytes));
  for (index_t first = 0; first < rows; first += most) {
    const index_t here = (std::min)(most, rows - first);
    for (index_t r = 0; r < here; ++r) {
      read_row(from, first + r, row_.data());
      if (status s = encode<F>(c, first + r, row_.data(), rows_.data() + r * new_bytes); !s) return s;
    }
    std::span<const std::byte> data{rows_.data(), static_cast<std::size_t>(here * new_bytes)};
    if constexpr (BlockFormat<F>) {
      const PanelBytes bytes = panel_bytes(format_id<F>, here, cols), before = panel_bytes(format_id<F>, first, cols);
      data_.assign(static_cast<std::size_t>(bytes.data), std::byte{0});
      scales_.assign(static_cast<std::size_t>(bytes.scales), std::byte{0});
      pack_panels({rows_.data(), format_id<F>, here, cols}, data_.data(), scales_.data());
      data = data_;
      if (status s = out.write(c.scales, static_cast<std::uint64_t>(before.scales), scales_); !s) return s;
      if (status s = out.write(c.data, static_cast<std::uint64_t>(before.data), data); !s) return s;
    } else {
      if (status s = out.write(c.data, static_cast<std::uint64_t>(first * new_bytes), data); !s) return s;
    }
    const auto read =
        c.from->bytes.subspan(static_cast<std::size_t>(first * row_bytes), static_cast<std::size_t>(here * row_bytes));
    if (status s = proceed(read); !s) return s;
  }
  return {};
}

/// The numbers of a parameter that is copied, from byte `at` on.
inline status Quantizer::finite(const Conversion& c, std::size_t at, std::span<const std::byte> piece) {
  const FormatId format = stored_format(c.from->dtype).id;
  const std::size_t each = bytes_per_element(c.from->dtype);
  const auto count = static_cast<index_t>(piece.size() / each), first = static_cast<index_t>(at / each);
  row_.resize(static_cast<std::size_t>(count));
  read_row({piece.data(), format, 1, count}, 0, row_.data());
  for (index_t i = 0; i < count; ++i)
    if (const float x = row_[static_cast<std::size_t>(i)]; !std::isfinite(x)) {
      const bool matrix = c.from->shape.size() == 2;
      const index_t cols = matrix ? c.cols() : 1, n = first + i;
      return not_finite(c, matrix ? text(n / cols, ", ", n % cols) : text(n), x);
    }
  return {};
}

inline status Quantizer::copy(const Conversion& c, SafeTensorsWriter& out) {
  for (std::size_t at = 0; at < c.from->bytes.size(); at += piece_bytes) {
    const auto piece = c.from->bytes.subspan(at, (std::min<std::size_t>)(piece_bytes, c.from->bytes.size() - at));
    if (status s = c.check ? finite(c, at, piece) : status(); !s) return s;
    if (status s = out.write(c.data, at, piece); !s) return s;
    if (status s = proceed(piece); !s) return s;
  }
  return {};
}

inline status Quantizer::run(SafeTensorsWriter& out) {
  for (const Conversion& c : conversions_) {
    status s;
    if (c.convert)
      s = with_format(options_.format, [&]<class F>(F) { return convert<F>(c, out); });
    else
      s = copy(c, out);
    if (!s) return s;
  }
  return {};
}

/// config.json with one more field, otherwise byte for byte as it was; `json` has been read as an object.
[[nodiscard]] inline std::string with_field(std::string_view json, bool empty, std::string_view field) {
  std::size_t end = json.rfind('}');
  while (end > 0 && std::string_view(" \t\r\n").find(json[end - 1]) != std::string_view::npos) --end;
  return text(json.substr(0, end), empty ? "\n  " : ",\n  ", field, "\n}\n");
}

[[nodiscard]] inline result<QuantizeReport> quantize_unguarded(const std::string& from, const std::string& to,
                                                               const QuantizeOptions& options) {
  if (options.format.own() != nullptr)
    return fail(errc::invalid_argument, text("format ", format_name(options.format),
                                             " is one of your own, which no file can hold; take format_id<Q8> or the "
                                             "like"));
  if (!is_listed(options.format))
    return fail(errc::invalid_argument, text("format has the number ", static_cast<int>(options.format),
                                             ", which no format has; take format_id<Q8> or the like"));
  const result<zoo::ModelConfig> config = zoo::load_config(from, options.family);
  if (!config) return fail(config.error());
  if (!config->quantized.empty())
    return fail(errc::unsupported, text("the model in ", in_quotes(from, 400), " is quantised already, to ",
                                        config->quantized, "; take the folder that it was made from"));
  const std::string config_path = text(from, "/config.json");
  if (!options.follow_symlinks)
    if (status s = detail::stays_inside(from, config_path); !s) return fail(s.error());
  const result<MappedFile> config_file =
      MappedFile::open(config_path, {.copy = true, .max_bytes = json::Options{}.max_bytes});
  if (!config_file) return fail(config_file.error());
  const result<json::Value> json = json::parse(config_file->chars());
  if (!json) return fail(json.error());
  if (json->find("quantization_config"))
    return fail(errc::format,
                text(in_quotes(config_path, 400), " has a quantization_config that is null; remove it"));
  const result<std::vector<Companion>> companions =
      read_companions(from, {.copy = options.copy, .follow_symlinks = options.follow_symlinks});
  if (!companions) return fail(companions.error());
  const result<Checkpoint> source =
      Checkpoint::open(from, {.copy = options.copy, .follow_symlinks = options.follow_symlinks});
  if (!source) return fail(source.error());

  QuantizeReport report;
  report.bytes_before = source->bytes();
  detail::Quantizer work(*source, options, report);
  if (status s = work.plan(TensorNames(*source, config->family->names), config->config.weight_tying); !s)
    return fail(s.error());
  result<NewFolder> folder = NewFolder::create(to);
  if (!folder) return fail(folder.error());
  result<SafeTensorsWriter> out =
      SafeTensorsWriter::create(text(to, "/model.safetensors"), std::move(work.tensors), work.metadata);
  if (!out) return fail(out.error());
  report.bytes_after = out->data_bytes();
  const bool blocks = is_block_format(options.format);
  const std::string field = text(R"("quantization_config": {"quant_method": "molmo", "format": ")",
                                 format_name(options.format), R"(", "layout": "panels16"})");
  const std::string config_json = blocks ? detail::with_field(config_file->chars(), json->size() == 0, field)
                                         : std::string(config_file->chars());
  std::uint64_t needed = out->file_bytes() + config_json.size();
  for (const Companion& c : *companions) needed += c.file.bytes().size();
  std::error_code e;
  const std::filesystem::space_info disk = std::filesystem::space(to, e);
  if (!e && disk.available < needed)
    return fail(errc::io, text("the new folder will have ", needed, " bytes, but the disk has only ", disk.available,
                               " left; free some, or name a folder on another disk"));
  if (status s = work.run(*out); !s) return fail(s.error());

  if (status s = folder->write("config.json", config_json); !s) return fail(s.error());
  for (const Companion& c : *companions)
    if (status s = folder->write(std::string(c.name), c.file.chars()); !s) return fail(s.error());
  if (status s = out->finish(); !s) return fail(s.error());
  folder->keep();
  return report;
}

}  // namespace detail::inline MOLMO_ISA

inline namespace MOLMO_ISA {

/// Converts the checkpoint in the folder `from` into the new folder `to`. errc::io (the folder has files, the disk is
/// full), errc::unsupported (converted already, elements that cannot be), errc::format (weights that are infinite, not
/// numbers, or beyond the format), errc::invalid_argument (`keep`), errc::cancelled, and those of Checkpoint::open and
/// load_config.
[[nodiscard]] inline result<QuantizeReport> quantize_checkpoint(const std::string& from, const std::string& to,
                                                                const QuantizeOptions& options = {}) {
  return without_bad_alloc("quantising a checkpoint", [&] { return detail::quantize_unguarded(from, to, options); });
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
