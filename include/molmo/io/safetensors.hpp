// SPDX-License-Identifier: Apache-2.0
// SafeTensors: the table of a safetensors file, checked in full before anything is handed out.
//
//   file = u64 N (little endian) | N bytes of JSON {"name": {"dtype","shape","data_offsets":[begin,end)}, ...} | data
// Refused: headers above 100 MB or beyond the file, anything json_sax.hpp refuses, unknown keys and dtypes, ranks above
// 8, sizes that are not product(shape) * bytes per element, overlaps, holes, and data that no tensor covers. The table
// costs about 100 bytes a tensor; the data is never touched. Tensors may start at ANY address (old files are not
// aligned): read the bytes with memcpy, or check the address first; nothing here casts.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/checked.hpp>
#include <molmo/io/json_sax.hpp>
#include <molmo/io/printable.hpp>
#include <molmo/io/tensor_info.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

struct SafeTensorsLimits {
  std::uint64_t max_header = 100'000'000;          ///< bytes of JSON, as in the format's own readers
  std::size_t max_tensors = std::size_t{1} << 18;  ///< the largest published shards hold a few thousand
  std::size_t max_rank = 8;
  std::size_t max_name = 4096;
  std::size_t max_metadata = std::size_t{4} << 20;  ///< bytes of all its keys and values
};

class SafeTensors {
 public:
  /// Reads the table of `file`, which must outlive the result; `source` names the file in messages. errc::format,
  /// errc::unsupported (a dtype that is known but has no use here yet).
  [[nodiscard]] static result<SafeTensors> parse(std::span<const std::byte> file, std::string_view source,
                                                 const SafeTensorsLimits& limits = {}) {
    return without_bad_alloc("reading a table of tensors", [&] { return parse_unguarded(file, source, limits); });
  }
  static result<SafeTensors> parse(std::vector<std::byte>&&, std::string_view, const SafeTensorsLimits& = {}) = delete;
  /// Checks all that parse() checks, given only the beginning of a file of `file_size` bytes: its length and its
  /// header.
  [[nodiscard]] static status check_header(std::span<const std::byte> beginning, std::uint64_t file_size,
                                           std::string_view source, const SafeTensorsLimits& limits = {});

  SafeTensors(SafeTensors&&) noexcept = default;
  SafeTensors& operator=(SafeTensors&&) noexcept = default;

  /// All tensors, in the order in which their bytes lie in the file.
  [[nodiscard]] std::span<const TensorInfo> tensors() const MOLMO_LIFETIMEBOUND { return tensors_; }
  /// The tensor of that name, or nullptr.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const MOLMO_LIFETIMEBOUND {
    const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                     [&](std::uint32_t i, std::string_view n) { return tensors_[i].name < n; });
    return at != by_name_.end() && tensors_[*at].name == name ? &tensors_[*at] : nullptr;
  }
  /// `__metadata__`, in the order of the file.
  [[nodiscard]] std::span<const std::pair<std::string, std::string>> metadata() const MOLMO_LIFETIMEBOUND {
    return metadata_;
  }
  /// What `__metadata__` says under the name of `tensor`, one of tensors(); empty where it says nothing.
  [[nodiscard]] std::string_view metadata_of(const TensorInfo& tensor) const MOLMO_LIFETIMEBOUND {
    const auto i = static_cast<std::size_t>(&tensor - tensors_.data());
    return i < described_.size() && described_[i] < metadata_.size() ? std::string_view(metadata_[described_[i]].second)
                                                                     : std::string_view();
  }

 private:
  struct Record;
  struct Reader;
  SafeTensors() = default;
  [[nodiscard]] static result<SafeTensors> parse_unguarded(std::span<const std::byte> file, std::string_view source,
                                                           const SafeTensorsLimits& limits);
  /// Fills names_, sizes_ and metadata_; the records come back in the order of the file. `data_at`: where the data
  /// begins.
  [[nodiscard]] status read(std::span<const std::byte> beginning, std::uint64_t file_size, std::string_view source,
                            const SafeTensorsLimits& limits, std::vector<Record>& records, std::uint64_t& data_at);
  [[nodiscard]] std::string_view name(const Record& r) const;

  std::vector<char> names_;  // vectors, not strings: their elements stay in place when moved
  std::vector<std::uint64_t> sizes_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::uint32_t> by_name_;
  std::vector<std::uint32_t> described_;  // of each tensor the entry of metadata_, or its size; empty where none is
  std::vector<std::pair<std::string, std::string>> metadata_;
};

/// A tensor while the header is being read: 32 bytes, because a hostile header may announce many.
struct SafeTensors::Record {
  std::uint64_t begin = 0, end = 0;                  // of the data
  std::uint32_t name = 0, name_size = 0, shape = 0;  // in names_ and sizes_
  std::uint8_t rank = 0;
  DType dtype = DType::f32;
};

inline std::string_view SafeTensors::name(const Record& r) const { return {names_.data() + r.name, r.name_size}; }

/// Takes the events of the header's JSON; a small state machine over the three levels that the format has.
struct SafeTensors::Reader : json::Handler {
  enum class In : std::uint8_t { nothing, header, tensor, shape, offsets, metadata, finished };
  enum : unsigned { has_dtype = 1, has_shape = 2, has_offsets = 4 };

  Reader(std::string_view file, const SafeTensorsLimits& l, SafeTensors& t) : source(file), limits(l), table(t) {}

  std::string_view source;
  const SafeTensorsLimits& limits;
  SafeTensors& table;
  std::vector<Record> records{};
  Record now{};
  In in = In::nothing;
  unsigned seen = 0, expected = 0;  // fields of the current tensor; the one whose value comes next
  std::size_t offsets = 0, metadata_bytes = 0;
  bool metadata_next = false;
  std::string metadata_key{};

  [[nodiscard]] std::string tensor() const {
    return text(source, ": tensor ", in_quotes({table.names_.data() + now.name, now.name_size}));
  }
  bool bad(std::string_view what) {
    return refuse(errc::format, in == In::tensor || in == In::shape || in == In::offsets ? text(tensor(), " ", what)
                                                                                         : text(source, ": ", what));
  }

  bool start_object() {
    if (in == In::nothing) return in = In::header, true;
    if (in == In::header) return in = metadata_next ? In::metadata : In::tensor, seen = expected = 0, true;
    return bad(in == In::metadata ? "__metadata__ holds something that is not a string"
                                  : "has an object where none belongs");
  }
  bool key(std::string& k) {
    if (in == In::metadata) {
      metadata_key = std::move(k);
      return true;
    }
    if (in == In::tensor) {
      expected = k == "dtype"          ? unsigned{has_dtype}
                 : k == "shape"        ? unsigned{has_shape}
                 : k == "data_offsets" ? unsigned{has_offsets}
                                       : 0u;
      return expected != 0 || bad(text("has the unknown field ", in_quotes(k)));
    }
    metadata_next = k == "__metadata__";
    if (metadata_next) return true;
    if (k.size() > limits.max_name) return bad(text("a tensor's name is longer than ", limits.max_name, " bytes"));
    if (records.size() >= limits.max_tensors) return bad(text("more than ", limits.max_tensors, " tensors"));
    now = {};
    now.name = static_cast<std::uint32_t>(table.names_.size());  // below 2^31, as the header is
    now.name_size = static_cast<std::uint32_t>(k.size());
    table.names_.insert(table.names_.end(), k.begin(), k.end());
    return true;
  }
  bool end_object() {
    if (in == In::tensor) {
      if (seen != (has_dtype | has_shape | has_offsets))
        return bad(text("has no ", !(seen & has_dtype) ? "dtype" : !(seen & has_shape) ? "shape" : "data_offsets"));
      std::uint64_t size = bytes_per_element(now.dtype);
      bool empty = false;
      for (std::size_t i = 0; i < now.rank; ++i) {
        const std::uint64_t n = table.sizes_[now.shape + i];
        if (n == 0)
          empty = true;  // the other sizes must not overflow all the same
        else if (!detail::checked_mul(size, n, size))
          return bad("has a shape whose size overflows");
      }
      if (empty) size = 0;
      if (now.begin > now.end) return bad(text("begins at ", now.begin, " and ends before, at ", now.end));
      if (now.end - now.begin != size)
        return bad(text("has ", now.end - now.begin, " bytes, but its shape ",
                        shape_text({table.sizes_.data() + now.shape, now.rank}), " of ", name_of(now.dtype), " needs ",
                        size));
      records.push_back(now);
    }
    in = in == In::header ? In::finished : In::header;
    return true;
  }
  bool start_array() {
    if (in == In::tensor && expected == has_shape) {
      now.shape = static_cast<std::uint32_t>(table.sizes_.size());
      return in = In::shape, true;
    }
    if (in == In::tensor && expected == has_offsets) return in = In::offsets, offsets = 0, true;
    return bad(in == In::metadata ? "__metadata__ holds something that is not a string"
                                  : "has an array where none belongs");
  }
  bool end_array() {
    if (in == In::offsets && offsets != 2) return bad("must have two data_offsets");
    seen |= in == In::shape ? unsigned{has_shape} : unsigned{has_offsets};
    return in = In::tensor, true;
  }
  bool unsigned_integer(std::uint64_t n) {
    if (in == In::shape) {
      const std::size_t axes = (std::min<std::size_t>)(limits.max_rank, 255);
      if (now.rank >= axes) return bad(text("has more than ", axes, " axes"));
      ++now.rank;
      table.sizes_.push_back(n);
      return true;
    }
    if (in == In::offsets) {
      if (offsets == 2) return bad("must have two data_offsets");
      (offsets++ ? now.end : now.begin) = n;
      return true;
    }
    return scalar("a number");
  }
  bool string(std::string& s) {
    if (in == In::metadata) {
      metadata_bytes += metadata_key.size() + s.size();
      if (metadata_bytes > limits.max_metadata)
        return bad(text("__metadata__ is larger than ", limits.max_metadata, " bytes"));
      table.metadata_.emplace_back(std::move(metadata_key), std::move(s));
      return true;
    }
    if (in != In::tensor || expected != has_dtype) return scalar("a string");
    for (std::size_t i = 0; i < detail::dtype_table.size(); ++i)
      if (detail::dtype_table[i].name == s) return now.dtype = static_cast<DType>(i), seen |= has_dtype, true;
    if (s == "F8_E8M0" || s == "F4" || s.starts_with("F6_") || s == "C64")
      return refuse(errc::unsupported,
                    text(tensor(), " is stored as ", s, ", which this version cannot read; convert it to BF16 or F32"));
    return bad(text("has the unknown dtype ", in_quotes(s)));
  }
  bool negative(std::int64_t) { return scalar("a negative number"); }
  bool number(double, std::string_view) { return scalar("a number that is no integer below 2^64"); }
  bool boolean(bool) { return scalar("true or false"); }
  bool null() { return scalar("null"); }
  bool scalar(std::string_view what) {
    if (in == In::metadata) return bad("__metadata__ holds something that is not a string");
    return bad(text(in == In::shape     ? "has a shape with "
                    : in == In::offsets ? "has data_offsets with "
                                        : "has ",
                    what, in == In::shape || in == In::offsets ? " in it" : " where none belongs"));
  }
};

inline status SafeTensors::read(std::span<const std::byte> beginning, std::uint64_t file_size, std::string_view source,
                                const SafeTensorsLimits& limits, std::vector<Record>& records, std::uint64_t& data_at) {
  const auto bad = [&](const auto&... words) { return fail(errc::format, text(source, ": ", words...)); };
  if (beginning.size() < 8 || file_size < 8)
    return bad("not a safetensors file: it has ", file_size, " bytes, not even the 8 of the header's length");
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < 8; ++i) n |= std::uint64_t{std::to_integer<unsigned char>(beginning[i])} << (8 * i);
  const std::uint64_t longest =
      (std::min<std::uint64_t>)(limits.max_header, 0x7fffffff);  // the table's offsets are of 32 bits
  if (n > longest)
    return bad("the header claims ", n, " bytes, more than the ", longest, " allowed; not a safetensors file?");
  if (n > file_size - 8 || n > beginning.size() - 8)
    return bad("the header claims ", n, " bytes, but the file has ", file_size - 8,
               " after the length; is it truncated?");
  const auto header = beginning.subspan(8, static_cast<std::size_t>(n));
  const std::uint64_t data_size = file_size - 8 - n;
  data_at = 8 + n;
  if (header.empty() || header[0] != std::byte{'{'})
    return bad("the header does not begin with '{'; not a safetensors file?");

  Reader reader(source, limits, *this);
  const json::Options options{.source = source,
                              .max_bytes = header.size(),
                              .max_depth = 3,
                              .max_string = (std::max)(limits.max_metadata, 6 * limits.max_name)};
  if (status s = json::parse_sax({reinterpret_cast<const char*>(header.data()), header.size()}, reader, options); !s)
    return s;

  records = std::move(reader.records);
  std::sort(records.begin(), records.end(), [&](const Record& a, const Record& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : name(a) < name(b);
  });
  std::uint64_t reached = 0;
  for (const Record& r : records) {
    if (r.end > data_size)
      return bad("tensor ", in_quotes(name(r)), " ends at byte ", r.end, " of the data, which has ", data_size,
                 "; is the file truncated?");
    if (r.begin < reached)
      return bad("tensor ", in_quotes(name(r)), " begins at ", r.begin, " inside another tensor, which ends at ",
                 reached);
    if (r.begin > reached)
      return bad("bytes ", reached, " to ", r.begin, " before tensor ", in_quotes(name(r)), " belong to no tensor");
    reached = r.end;
  }
  if (reached != data_size) return bad("the last ", data_size - reached, " bytes belong to no tensor");
  return {};
}

inline status SafeTensors::check_header(std::span<const std::byte> beginning, std::uint64_t file_size,
                                        std::string_view source, const SafeTensorsLimits& limits) {
  SafeTensors table;
  std::vector<Record> records;
  std::uint64_t data_at = 0;
  return table.read(beginning, file_size, source, limits, records, data_at);
}

inline result<SafeTensors> SafeTensors::parse_unguarded(std::span<const std::byte> file, std::string_view source,
                                                         const SafeTensorsLimits& limits) {
  SafeTensors table;
  std::vector<Record> records;
  std::uint64_t data_at = 0;
  if (status s = table.read(file, file.size(), source, limits, records, data_at); !s) return fail(s.error());
  const auto data = file.subspan(static_cast<std::size_t>(data_at));
  table.tensors_.reserve(records.size());
  table.by_name_.reserve(records.size());
  for (const Record& r : records) {
    table.by_name_.push_back(static_cast<std::uint32_t>(table.tensors_.size()));
    table.tensors_.push_back(
        {table.name(r),
         r.dtype,
         {table.sizes_.data() + r.shape, r.rank},
         data.subspan(static_cast<std::size_t>(r.begin), static_cast<std::size_t>(r.end - r.begin))});
  }
  std::sort(table.by_name_.begin(), table.by_name_.end(),
            [&](std::uint32_t a, std::uint32_t b) { return table.tensors_[a].name < table.tensors_[b].name; });
  for (std::size_t i = 0; i < table.metadata_.size(); ++i) {
    const TensorInfo* t = table.find(table.metadata_[i].first);
    if (t == nullptr) continue;
    table.described_.resize(table.tensors_.size(), static_cast<std::uint32_t>(table.metadata_.size()));
    table.described_[static_cast<std::size_t>(t - table.tensors_.data())] = static_cast<std::uint32_t>(i);
  }
  return table;
}

}  // namespace molmo::inline v0
