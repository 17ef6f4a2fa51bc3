// SPDX-License-Identifier: Apache-2.0
// Fuzzes the safetensors reader, and what finds matrices of every format among its tensors. First byte 'h': the rest is
// a header, to which its length and data of the size it wants are added; anything else: the rest is the whole file.
#include "fuzz.hpp"

#include <molmo/io/safetensors.hpp>
#include <molmo/io/safetensors_write.hpp>
#include <molmo/run/stored_matrix.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

using namespace molmo;
using molmo_fuzz::expect;

namespace {

/// The largest small number that follows a comma or bracket: most likely the end of the data.
std::size_t wanted_data(std::string_view header) {
  std::size_t most = 0;
  for (std::size_t i = 0; i + 1 < header.size(); ++i) {
    if (header[i] != ',') continue;
    std::size_t n = 0;
    for (std::size_t j = i + 1; j < header.size() && header[j] >= '0' && header[j] <= '9' && n < 4096; ++j)
      n = 10 * n + static_cast<std::size_t>(header[j] - '0');
    if (n < 4096) most = std::max(most, n);
  }
  return most;
}

/// Every tensor as a matrix of the sizes that its shape suggests: refused with a reason, or readable to its last
/// weight.
void check_matrices(const SafeTensors& table) {
  int left = 16;  // a file may hold many tensors
  for (const TensorInfo& t : table.tensors()) {
    if (--left < 0 || t.shape.size() < 2 || t.bytes.size() > 65536) continue;
    const bool panels = t.shape.size() == 5;
    const std::uint64_t rows = t.shape[0], cols = t.shape[1];
    if (rows == 0 || cols == 0 || rows > 4096 || cols > 4096) continue;
    for (const index_t less : {0, 1, 15, 16}) {
      const index_t n = static_cast<index_t>(panels ? 16 * rows : rows) - less;
      const index_t k = static_cast<index_t>(panels ? 32 * cols : cols) - less;
      if (n < 1 || k < 1) continue;
      const StoredMatrix m = find_matrix(table, std::string(t.name), n, k);
      expect(m.data == &t, "a tensor that is there is found");
      if (!m.problem.empty()) continue;
      std::vector<float> row(static_cast<std::size_t>(k));
      for (index_t i = 0; i < n; ++i) read_row(m.matrix, i, row.data());
    }
  }
}

void check(std::span<const std::byte> file) {
  const result<SafeTensors> r = SafeTensors::parse(file, "file");
  const status header_only = SafeTensors::check_header(file, file.size(), "file");
  expect(r.has_value() == header_only.has_value(), "check_header agrees with parse");
  if (!r) return molmo_fuzz::expect_message(r.error().message);
  std::uint64_t sum = 0;
  unsigned touched = 0;
  for (const TensorInfo& t : r->tensors()) {
    expect(t.bytes.empty() ||
               (t.bytes.data() >= file.data() && t.bytes.data() + t.bytes.size() <= file.data() + file.size()),
           "tensors lie in the file");
    std::uint64_t n = bytes_per_element(t.dtype);
    for (const std::uint64_t d : t.shape) n *= d;
    expect(n == t.bytes.size(), "size = shape x dtype");
    expect(r->find(t.name) == &t, "every tensor is found by its name");
    for (const std::byte b : t.bytes) touched += std::to_integer<unsigned>(b);
    sum += t.bytes.size();
  }
  expect(touched != ~0u, "bytes are readable");
  check_matrices(*r);
  const std::uint64_t header = file.size() - sum - 8;
  expect(header < file.size(), "the data is covered");
  // what was read can be written, and says the same
  const std::string again = safetensors_header(r->tensors(), r->metadata());
  const status s = SafeTensors::check_header({reinterpret_cast<const std::byte*>(again.data()), again.size()},
                                             again.size() + sum, "again");
  expect(s.has_value(), "what was read can be written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span rest(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  if (data[0] != 'h') {
    const std::vector<std::byte> file(rest.begin(),
                                      rest.end());  // exactly as large as the file, so that a sanitiser sees its end
    check(file);
    return 0;
  }
  const std::string_view header(reinterpret_cast<const char*>(rest.data()), rest.size());
  std::vector<std::byte> file(8 + rest.size() + wanted_data(header));
  for (unsigned i = 0; i < 8; ++i) file[i] = static_cast<std::byte>((std::uint64_t{rest.size()} >> (8 * i)) & 0xff);
  std::copy(rest.begin(), rest.end(), file.begin() + 8);
  check(file);
  return 0;
}
