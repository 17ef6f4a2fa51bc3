// SPDX-License-Identifier: Apache-2.0
// KvCache: the keys and values of one sequence, for all layers, allocated once: [layer][kv head][position][head_dim] f32.
#pragma once

#include <molmo/core/memory.hpp>
#include <molmo/models/llm.hpp>

namespace molmo::inline v0 {

class KvCache {
 public:
  KvCache() = default;
  /// Room for `capacity` positions of the model M. ok() says whether there was memory.
  template <class M>
  [[nodiscard]] static KvCache for_model(index_t capacity, MemoryResource* memory = nullptr) {
    KvCache c;
    const std::size_t half = Arena::padded<float>(floats<M>(capacity));
    c.arena_ = Arena(2 * half, memory);
    c.view_.k = c.arena_.take<float>(floats<M>(capacity));
    c.view_.v = c.arena_.take<float>(floats<M>(capacity));
    c.view_.capacity = capacity;
    return c;
  }
  /// Bytes of a cache for `capacity` positions.
  template <class M>
  [[nodiscard]] static constexpr std::size_t bytes(index_t capacity) {
    return 2 * Arena::padded<float>(floats<M>(capacity));
  }

  [[nodiscard]] bool ok() const { return arena_.ok(); }
  [[nodiscard]] KvCacheView& view() { return view_; }
  [[nodiscard]] index_t length() const { return view_.length; }
  [[nodiscard]] index_t capacity() const { return view_.capacity; }
  /// Forgets the positions from `length` on.
  void truncate(index_t length) { view_.length = length < view_.length ? length : view_.length; }

 private:
  template <class M>
  static constexpr std::size_t floats(index_t capacity) {
    return static_cast<std::size_t>(M::config.n_layers * M::config.kv_width() * capacity);
  }

  Arena arena_;
  KvCacheView view_;
};

}  // namespace molmo::inline v0
