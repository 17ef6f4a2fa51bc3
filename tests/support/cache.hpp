// SPDX-License-Identifier: Apache-2.0
// The keys and values of a KV cache as plain numbers, [layer][kv head][position][head_dim].
#pragma once

#include <molmo/models/llm.hpp>

#include <vector>

namespace molmo_test {

inline std::vector<float> keys_of(const molmo::KvCacheView& cache, molmo::index_t layers) {
  std::vector<float> out;
  for (molmo::index_t layer = 0; layer < layers; ++layer)
    for (molmo::index_t h = 0; h < cache.layer_heads; ++h)
      for (molmo::index_t j = 0; j < cache.length; ++j)
        for (molmo::index_t i = 0; i < cache.first.head_dim; ++i) out.push_back(cache.layer(layer).key(h, j, i));
  return out;
}
inline std::vector<float> values_of(const molmo::KvCacheView& cache, molmo::index_t layers) {
  std::vector<float> out;
  for (molmo::index_t layer = 0; layer < layers; ++layer)
    for (molmo::index_t h = 0; h < cache.layer_heads; ++h)
      for (molmo::index_t j = 0; j < cache.length; ++j)
        for (molmo::index_t i = 0; i < cache.first.head_dim; ++i) out.push_back(cache.layer(layer).value(h, j, i));
  return out;
}

}  // namespace molmo_test
