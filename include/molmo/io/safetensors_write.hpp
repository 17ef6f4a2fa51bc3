// SPDX-License-Identifier: Apache-2.0
// write_safetensors(path, tensors): a safetensors file that any reader takes.
//
// Wide elements come first and the header is padded with spaces to a multiple of 8, so that every tensor is aligned to
// its own element. An existing file is left alone unless `overwrite` says otherwise; then it is replaced in one step (a
// temporary file beside it is renamed), so that programs which have the old one mapped keep reading the old one.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/safetensors.hpp>

#include <algorithm>
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

}  // namespace detail

/// The first bytes of a file of these tensors: length and header. They must lie in the file in this order, without
/// gaps.
[[nodiscard]] inline std::string safetensors_header(
    std::span<const TensorInfo> tensors, std::span<const std::pair<std::string, std::string>> metadata = {}) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (std::size_t i = 0; i < metadata.size(); ++i) {
      if (i) header.push_back(',');
      detail::append_json_string(header, metadata[i].first);
      header.push_back(':');
      detail::append_json_string(header, metadata[i].second);
    }
    header += tensors.empty() ? "}" : "},";
  }
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& t = tensors[i];
    if (i) header.push_back(',');
    detail::append_json_string(header, t.name);
    header += text(":{\"dtype\":\"", name_of(t.dtype), "\",\"shape\":[");
    for (std::size_t axis = 0; axis < t.shape.size(); ++axis) header += text(axis ? "," : "", t.shape[axis]);
    header += text("],\"data_offsets\":[", offset, ",", offset + t.bytes.size(), "]}");
    offset += t.bytes.size();
  }
  header.push_back('}');
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string out;
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 0xff));
  return out + header;
}

/// Writes the tensors (their names, shapes and bytes; in any order). errc::invalid_argument where they contradict
/// themselves (a name twice, bytes that are not shape x dtype), errc::io where the file exists or cannot be written.
[[nodiscard]] inline status write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                                              const SafeTensorsWriteOptions& options = {}) {
  std::vector<TensorInfo> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return bytes_per_element(a.dtype) > bytes_per_element(b.dtype);
  });
  const std::string head = safetensors_header(order, options.metadata);
  // what the reader would refuse is not written
  std::uint64_t size = head.size();
  for (const TensorInfo& t : order) size += t.bytes.size();
  if (status s = SafeTensors::check_header({reinterpret_cast<const std::byte*>(head.data()), head.size()}, size, path);
      !s)
    return fail(errc::invalid_argument, s.error().message);

  const std::string part = options.overwrite ? path + ".part" : path;
  std::FILE* file = std::fopen(part.c_str(), options.overwrite ? "wb" : "wbx");
  if (!file)
    return fail(errc::io, text(in_quotes(part, 400),
                               " cannot be created; does it exist, or is the folder missing or write-protected?"));
  bool ok = std::fwrite(head.data(), 1, head.size(), file) == head.size();
  for (const TensorInfo& t : order)
    ok = ok && (t.bytes.empty() || std::fwrite(t.bytes.data(), 1, t.bytes.size(), file) == t.bytes.size());
  ok = std::fclose(file) == 0 && ok;
  std::error_code renamed;
  if (ok && options.overwrite) std::filesystem::rename(part, path, renamed);
  ok = ok && !renamed;
  if (ok) return {};
  std::remove(part.c_str());
  return fail(errc::io, text(in_quotes(path, 400), " could not be written; is the disk full?"));
}

}  // namespace molmo::inline v0
