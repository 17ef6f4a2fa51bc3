// SPDX-License-Identifier: Apache-2.0
// A layer or model of random weights, without a file: every parameter points at numbers that the object owns.
#pragma once

#include <molmo/layers/parameters.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace molmo_test {

/// L is a layer (it has each_parameter(visit)) or an Llm.
template <class L>
class RandomWeights {
 public:
  explicit RandomWeights(std::uint64_t seed, float size = 0.3f) {
    Random random(seed);
    each([&]<class P>(const std::string& name, P& parameter) {
      auto& numbers = storage_[name] = random.numbers(P::shape::static_rows * P::shape::cols, size);
      if (name.ends_with("norm.weight"))
        for (float& x : numbers) x += 1;
      point(parameter, numbers);
    });
  }
  RandomWeights(const RandomWeights&) = delete;
  RandomWeights& operator=(const RandomWeights&) = delete;

  const L& operator*() const { return layer_; }
  const L* operator->() const { return &layer_; }
  /// The numbers of a parameter, to be changed in place: the layer points at them.
  [[nodiscard]] std::span<float> numbers(const std::string& name) { return storage_.at(name); }
  /// Overwrites the numbers of a parameter; there must be as many.
  void set(const std::string& name, const std::vector<float>& numbers) {
    std::vector<float>& old = storage_.at(name);
    REQUIRE(old.size() == numbers.size());
    std::copy(numbers.begin(), numbers.end(), old.begin());
  }
  [[nodiscard]] const std::map<std::string, std::vector<float>>& all() const { return storage_; }

 private:
  template <class F>
  void each(F&& f) {
    if constexpr (molmo::HasParameters<L>)
      molmo::walk("", layer_, f);
    else
      layer_.each_parameter(f);
  }
  template <class P>
  static void point(P& parameter, const std::vector<float>& numbers) {
    if constexpr (molmo::is_view<P>)
      parameter = P(numbers.data());
    else
      parameter = P(reinterpret_cast<const std::byte*>(numbers.data()), molmo::format_id<molmo::F32>);
  }

  L layer_{};
  std::map<std::string, std::vector<float>> storage_;
};

/// Rows of several matrices, one below the other.
inline std::vector<float> stacked(std::initializer_list<std::vector<float>> parts) {
  std::vector<float> out;
  for (const auto& p : parts) out.insert(out.end(), p.begin(), p.end());
  return out;
}

}  // namespace molmo_test
