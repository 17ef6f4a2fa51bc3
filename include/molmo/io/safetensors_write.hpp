// SPDX-License-Identifier: Apache-2.0
// write_safetensors(path, tensors): a safetensors file that any reader takes. SafeTensorsWriter makes one piece by
// piece, in any order, for tensors that never are in memory as a whole.
//
// The format allows no gaps. The header is padded with spaces, so that the data begin at a multiple of 64 bytes, and
// tensors of many bytes' alignment come first: all whose size is a multiple of 64 begin at a multiple of 64, and every
// tensor is aligned to its own element. An existing file is left alone unless `overwrite` says otherwise; then it is
// replaced in one step (a temporary file beside it is renamed), so that programs which have the old one mapped keep
// reading the old one.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/core/result.hpp>
#include <molmo/io/durable.hpp>
#include <molmo/io/safetensors.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

struct SafeTensorsWriteOptions {
  std::span<const std::pair<std::string, std::string>> metadata{};
  bool overwrite = false;
};

namespace detail {

/// A JSON string. Bytes above 0x7f pass through: the header is parsed before it is written, which finds invalid UTF-8.
inline void append_json_string(std::string& out, std::string_view s) {
  static constexpr char hex[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20) {
      out += "\\u00";
      out.push_back(hex[byte >> 4]);
      out.push_back(hex[byte & 15u]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

/// One more tensor of a header that begins with "{".
inline void append_tensor(std::string& header, std::string_view name, DType dtype, std::span<const std::uint64_t> shape,
                          std::uint64_t begin, std::uint64_t bytes) {
  if (header.size() > 1) header.push_back(',');
  append_json_string(header, name);
  header += text(":{\"dtype\":\"", name_of(dtype), "\",\"shape\":[");
  for (std::size_t axis = 0; axis < shape.size(); ++axis) header += text(axis ? "," : "", shape[axis]);
  header += text("],\"data_offsets\":[", begin, ",", begin + bytes, "]}");
}
inline void append_metadata(std::string& header, std::span<const std::pair<std::string, std::string>> metadata) {
  if (metadata.empty()) return;
  header += "\"__metadata__\":{";
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    if (i) header.push_back(',');
    append_json_string(header, metadata[i].first);
    header.push_back(':');
    append_json_string(header, metadata[i].second);
  }
  header.push_back('}');
}
/// Closes the JSON and puts its length before it; length and header together are a multiple of 64 bytes.
[[nodiscard]] inline std::string finished_header(std::string header) {
  header.push_back('}');
  header.append((64 - (header.size() + 8) % 64) % 64, ' ');
  std::string out;
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 0xff));
  return out + header;
}
/// The largest power of two, 64 at most, that divides a size: what follows in the file is aligned to so much.
[[nodiscard]] constexpr int kept_alignment(std::uint64_t bytes) {
  const int zeros = std::countr_zero(bytes);
  return zeros < 6 ? zeros : 6;
}
/// What the reader would refuse is not written.
[[nodiscard]] inline status check_written(const std::string& head, std::uint64_t data_bytes, std::string_view path) {
  if (status s = SafeTensors::check_header({reinterpret_cast<const std::byte*>(head.data()), head.size()},
                                           head.size() + data_bytes, path);
      !s)
    return fail(errc::invalid_argument, s.error().message);
  return {};
}
[[nodiscard]] inline bool seek(std::FILE* file, std::uint64_t at) {
#if defined(_WIN32)
  return _fseeki64(file, static_cast<long long>(at), SEEK_SET) == 0;
#elif defined(__unix__) || defined(__APPLE__)
  return fseeko(file, static_cast<off_t>(at), SEEK_SET) == 0;
#else
  return std::fseek(file, static_cast<long>(at), SEEK_SET) == 0;
#endif
}

}  // namespace detail

/// The first bytes of a file of these tensors: length and header. They must lie in the file in this order, without
/// gaps.
[[nodiscard]] inline std::string safetensors_header(
    std::span<const TensorInfo> tensors, std::span<const std::pair<std::string, std::string>> metadata = {}) {
  std::string header = "{";
  detail::append_metadata(header, metadata);
  std::uint64_t offset = 0;
  for (const TensorInfo& t : tensors) {
    detail::append_tensor(header, t.name, t.dtype, t.shape, offset, t.bytes.size());
    offset += t.bytes.size();
  }
  return detail::finished_header(std::move(header));
}

/// A tensor that will be written.
struct PlannedTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::uint64_t> shape;

  /// As the product of the shape; create() has checked that it does not overflow.
  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t n = bytes_per_element(dtype);
    for (const std::uint64_t axis : shape) n *= axis;
    return n;
  }
};

/// A file under construction at `path`.part, which finish() renames to `path`; without finish() it is removed again.
class SafeTensorsWriter {
 public:
  /// Plans the file. errc::invalid_argument where the tensors contradict themselves, errc::io where the file exists or
  /// cannot be created.
  [[nodiscard]] static result<SafeTensorsWriter> create(
      const std::string& path, std::vector<PlannedTensor> tensors,
      std::span<const std::pair<std::string, std::string>> metadata = {}) {
    return without_bad_alloc("creating a safetensors file",
                             [&] { return create_unguarded(path, std::move(tensors), metadata); });
  }

  SafeTensorsWriter(SafeTensorsWriter&& other) noexcept { swap(other); }
  SafeTensorsWriter& operator=(SafeTensorsWriter&& other) noexcept {
    swap(other);
    return *this;
  }
  ~SafeTensorsWriter() {
    if (!begun_) return;
    if (file_) std::fclose(file_);
    std::remove(part_.c_str());
  }

  [[nodiscard]] std::span<const PlannedTensor> tensors() const MOLMO_LIFETIMEBOUND { return tensors_; }
  [[nodiscard]] std::uint64_t data_bytes() const { return data_bytes_; }
  /// Of the whole file, its header included.
  [[nodiscard]] std::uint64_t file_bytes() const { return header_bytes_ + data_bytes_; }
  /// Puts bytes at `offset` of tensor `i` (of the vector given to create); every byte has to come once. errc::io,
  /// errc::invalid_argument (outside the tensor).
  [[nodiscard]] status write(std::size_t i, std::uint64_t offset, std::span<const std::byte> bytes) {
    return without_bad_alloc("writing a safetensors file", [&] { return write_unguarded(i, offset, bytes); });
  }
  /// Closes the file and, once its bytes are on the disk, gives it its name. errc::invalid_argument where bytes are
  /// missing, errc::io.
  [[nodiscard]] status finish() {
    return without_bad_alloc("finishing a safetensors file", [&] { return finish_unguarded(); });
  }

 private:
  SafeTensorsWriter() = default;
  [[nodiscard]] static result<SafeTensorsWriter> create_unguarded(
      const std::string& path, std::vector<PlannedTensor> tensors,
      std::span<const std::pair<std::string, std::string>> metadata) {
    SafeTensorsWriter w;
    w.tensors_ = std::move(tensors);
    std::vector<std::size_t> order(w.tensors_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return detail::kept_alignment(w.tensors_[a].bytes()) > detail::kept_alignment(w.tensors_[b].bytes());
    });
    std::string header = "{";
    detail::append_metadata(header, metadata);
    w.begins_.resize(order.size());
    for (const std::size_t i : order) {
      const PlannedTensor& t = w.tensors_[i];
      detail::append_tensor(header, t.name, t.dtype, t.shape, w.data_bytes_, t.bytes());
      w.begins_[i] = w.data_bytes_;
      w.data_bytes_ += t.bytes();
    }
    const std::string head = detail::finished_header(std::move(header));
    if (status s = detail::check_written(head, w.data_bytes_, path); !s) return fail(s.error());
    for (std::uint64_t& begin : w.begins_) begin += head.size();
    std::error_code e;
    if (std::filesystem::exists(path, e)) return fail(errc::io, text(in_quotes(path, 400), " exists already"));
    w.path_ = path, w.part_ = path + ".part";
    w.file_ = std::fopen(w.part_.c_str(), "wbx");
    if (!w.file_)
      return fail(errc::io, text(in_quotes(w.part_, 400),
                                 " cannot be created; does it exist, or is the folder missing or "
                                 "write-protected?"));
    w.begun_ = true;
    if (std::fwrite(head.data(), 1, head.size(), w.file_) != head.size()) return w.not_written();
    w.at_ = w.header_bytes_ = head.size();
    return w;
  }
  [[nodiscard]] status write_unguarded(std::size_t i, std::uint64_t offset, std::span<const std::byte> bytes) {
    if (!file_ || i >= tensors_.size() || bytes.size() > tensors_[i].bytes() ||
        offset > tensors_[i].bytes() - bytes.size())
      return fail(errc::invalid_argument,
                  text(bytes.size(), " bytes at ", offset, " of tensor ", i, " lie outside of it"));
    const std::uint64_t at = begins_[i] + offset;
    if (at != at_ && !detail::seek(file_, at)) return not_written();
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) return not_written();
    at_ = at + bytes.size();
    written_ += bytes.size();
    return {};
  }
  [[nodiscard]] status finish_unguarded() {
    if (!file_ || written_ != data_bytes_)
      return fail(errc::invalid_argument,
                  text(in_quotes(path_, 400), ": ", written_, " bytes were written of ", data_bytes_));
    if (!detail::close_durably(std::exchange(file_, nullptr)) || !detail::rename_durably(part_, path_))
      return not_written();
    begun_ = false;
    return {};
  }
  void swap(SafeTensorsWriter& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(part_, other.part_);
    std::swap(begun_, other.begun_);
    std::swap(tensors_, other.tensors_);
    std::swap(begins_, other.begins_);
    std::swap(header_bytes_, other.header_bytes_);
    std::swap(data_bytes_, other.data_bytes_);
    std::swap(written_, other.written_);
    std::swap(at_, other.at_);
    std::swap(file_, other.file_);
  }
  [[nodiscard]] failure not_written() const {
    return fail(errc::io, text(in_quotes(path_, 400), " could not be written; is the disk full?"));
  }

  std::string path_, part_;
  bool begun_ = false;  // there is a part_, to be removed in the end
  std::vector<PlannedTensor> tensors_;
  std::vector<std::uint64_t> begins_;  // in the file
  std::uint64_t header_bytes_ = 0, data_bytes_ = 0, written_ = 0, at_ = 0;
  std::FILE* file_ = nullptr;
};

namespace detail {

[[nodiscard]] inline status write_safetensors_unguarded(const std::string& path, std::span<const TensorInfo> tensors,
                                                        const SafeTensorsWriteOptions& options) {
  std::vector<TensorInfo> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return kept_alignment(a.bytes.size()) > kept_alignment(b.bytes.size());
  });
  const std::string head = safetensors_header(order, options.metadata);
  std::uint64_t size = 0;
  for (const TensorInfo& t : order) size += t.bytes.size();
  if (status s = check_written(head, size, path); !s) return s;

  const std::string part = options.overwrite ? path + ".part" : path;
  std::FILE* file = std::fopen(part.c_str(), options.overwrite ? "wb" : "wbx");
  if (!file)
    return fail(errc::io, text(in_quotes(part, 400),
                               " cannot be created; does it exist, or is the folder missing or write-protected?"));
  struct Unfinished {
    const char* name;
    ~Unfinished() {
      if (name) std::remove(name);
    }
  } unfinished{part.c_str()};
  bool ok = std::fwrite(head.data(), 1, head.size(), file) == head.size();
  for (const TensorInfo& t : order)
    ok = ok && (t.bytes.empty() || std::fwrite(t.bytes.data(), 1, t.bytes.size(), file) == t.bytes.size());
  ok = (options.overwrite ? close_durably(file) : std::fclose(file) == 0) && ok;
  ok = ok && (!options.overwrite || rename_durably(part, path));
  if (!ok) return fail(errc::io, text(in_quotes(path, 400), " could not be written; is the disk full?"));
  unfinished.name = nullptr;
  return {};
}

}  // namespace detail

/// Writes the tensors (their names, shapes and bytes; in any order). errc::invalid_argument where they contradict
/// themselves (a name twice, bytes that are not shape x dtype), errc::io where the file exists or cannot be written.
[[nodiscard]] inline status write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                                              const SafeTensorsWriteOptions& options = {}) {
  return without_bad_alloc("writing a safetensors file",
                           [&] { return detail::write_safetensors_unguarded(path, tensors, options); });
}

}  // namespace molmo::inline v0
