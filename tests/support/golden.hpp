// SPDX-License-Identifier: Apache-2.0
// The golden files of tests/data/golden, which tools/make_golden.py wrote: tensors by name, as floats or ids.
#pragma once

#include <molmo/core/dtype.hpp>
#include <molmo/core/shape.hpp>
#include <molmo/io/mapped_file.hpp>
#include <molmo/io/safetensors.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace molmo_test {

/// tests/data/golden/<case>.
inline std::string golden_folder(std::string_view name) { return molmo::text(MOLMO_TEST_DATA_DIR, "/golden/", name); }

/// The bytes of a tensor, widened to float.
inline std::vector<float> widened(const molmo::TensorInfo& t) {
  std::vector<float> out(static_cast<std::size_t>(t.elements()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto element = [&]<class T>(T x) {
      std::memcpy(&x, t.bytes.data() + i * sizeof(T), sizeof(T));
      return x;
    };
    switch (t.dtype) {
      case molmo::DType::f32: out[i] = element(0.0f); break;
      case molmo::DType::bf16: out[i] = element(molmo::bf16{}); break;
      case molmo::DType::f16: out[i] = element(molmo::f16{}); break;
      default: FAIL("tensor " << t.name << " holds no numbers that a model computes with");
    }
  }
  return out;
}

/// One safetensors file. A tensor that is not there fails the test.
class Golden {
 public:
  explicit Golden(std::string_view name, std::string_view file = "golden.safetensors")
      : file_(open(molmo::text(golden_folder(name), "/", file))), table_(parse(file_)) {}

  [[nodiscard]] bool has(std::string_view name) const { return table_.find(name) != nullptr; }
  [[nodiscard]] const molmo::TensorInfo& tensor(std::string_view name) const {
    const molmo::TensorInfo* t = table_.find(name);
    if (t == nullptr) FAIL("the golden file has no tensor " << name);
    return *t;
  }
  [[nodiscard]] std::vector<float> floats(std::string_view name) const { return widened(tensor(name)); }
  /// The stored elements, bit by bit.
  template <class T>
  [[nodiscard]] std::vector<T> stored(std::string_view name) const {
    const molmo::TensorInfo& t = tensor(name);
    REQUIRE(molmo::bytes_per_element(t.dtype) == sizeof(T));
    std::vector<T> out(static_cast<std::size_t>(t.elements()));
    std::memcpy(out.data(), t.bytes.data(), t.bytes.size());
    return out;
  }
  [[nodiscard]] std::vector<std::int32_t> ids(std::string_view name) const {
    REQUIRE(tensor(name).dtype == molmo::DType::i32);
    return stored<std::int32_t>(name);
  }
  [[nodiscard]] molmo::index_t size(std::string_view name, std::size_t axis) const {
    return static_cast<molmo::index_t>(tensor(name).shape[axis]);
  }
  [[nodiscard]] std::string metadata(std::string_view key) const {
    for (const auto& [k, v] : table_.metadata())
      if (k == key) return v;
    FAIL("the golden file has no metadata " << key);
    return {};
  }
  [[nodiscard]] double number(std::string_view key) const { return std::stod(metadata(key)); }
  [[nodiscard]] const molmo::SafeTensors& table() const { return table_; }

 private:
  static molmo::MappedFile open(const std::string& path) {
    auto file = molmo::MappedFile::open(path);
    if (!file) FAIL(file.error().message);
    return std::move(*file);
  }
  static molmo::SafeTensors parse(const molmo::MappedFile& file) {
    auto table = molmo::SafeTensors::parse(file.bytes(), "golden.safetensors");
    if (!table) FAIL(table.error().message);
    return std::move(*table);
  }

  molmo::MappedFile file_;
  molmo::SafeTensors table_;
};

}  // namespace molmo_test
