// SPDX-License-Identifier: Apache-2.0
// KvCache: the keys and values of one sequence, for all layers, allocated once, in one of four formats:
//
//   f32   exact                                       f16, bf16   half of it: 11 and 8 bits of precision
//   q8    a quarter: int8, one scale per position and head, 1/254 of a head's largest element
// ops/attention/kv.hpp says how they lie in memory. There is room for a multiple of 16 positions.
#pragma once

#include <molmo/core/memory.hpp>
#include <molmo/models/llm.hpp>

#include <utility>

namespace molmo::inline v0 {

/// Bytes of a cache for `capacity` positions of a model.
[[nodiscard]] constexpr std::size_t kv_cache_bytes(const LlmConfig& c, index_t capacity,
                                                   KvFormat format = KvFormat::f32) {
  const index_t heads = c.n_layers * c.kv_heads() * kv_room(capacity);
  const index_t bytes = heads * c.head_size() * kv_element_bytes(format);
  const std::size_t scales = format == KvFormat::q8 ? Arena::padded<float>(static_cast<std::size_t>(heads)) : 0;
  return 2 * (Arena::padded<std::byte>(static_cast<std::size_t>(bytes)) + scales);
}

class KvCache {
 public:
  KvCache() = default;
  KvCache(KvCache&& other) noexcept { *this = std::move(other); }
  /// What was moved from has no positions and no room.
  KvCache& operator=(KvCache&& other) noexcept {
    arena_ = std::move(other.arena_);
    if (this != &other) view_ = std::exchange(other.view_, {});
    return *this;
  }
  /// Room for `capacity` positions of the model M. ok() says whether there was memory.
  template <class M>
  [[nodiscard]] static KvCache for_model(index_t capacity, MemoryResource* memory = nullptr,
                                         KvFormat format = KvFormat::f32) {
    constexpr LlmConfig config = M::config;
    KvCache c;
    KvHeads& h = c.view_.first;
    h.room = kv_room(capacity), h.head_dim = config.head_size(), h.format = format;
    const std::size_t heads = static_cast<std::size_t>(config.n_layers * config.kv_heads() * h.room);
    const std::size_t bytes = heads * static_cast<std::size_t>(h.head_dim * kv_element_bytes(format));
    c.arena_ = Arena(kv_cache_bytes(config, capacity, format), memory);
    h.v = c.arena_.template take<std::byte>(bytes);  // values first: kernels read up to a register beyond them
    h.k = c.arena_.template take<std::byte>(bytes);
    if (format == KvFormat::q8) {
      h.k_scales = c.arena_.template take<float>(heads);
      h.v_scales = c.arena_.template take<float>(heads);
    }
    c.view_.layer_heads = config.kv_heads();
    c.view_.capacity = capacity;
    return c;
  }
  /// Bytes of a cache for `capacity` positions.
  template <class M>
  [[nodiscard]] static constexpr std::size_t bytes(index_t capacity, KvFormat format = KvFormat::f32) {
    return kv_cache_bytes(M::config, capacity, format);
  }

  [[nodiscard]] bool ok() const { return arena_.ok(); }
  [[nodiscard]] KvCacheView& view() { return view_; }
  [[nodiscard]] index_t length() const { return view_.length; }
  [[nodiscard]] index_t capacity() const { return view_.capacity; }
  /// Forgets the positions from `length` on.
  void truncate(index_t length) { view_.length = length < view_.length ? length : view_.length; }

 private:
  Arena arena_;
  KvCacheView view_;
};

}  // namespace molmo::inline v0
