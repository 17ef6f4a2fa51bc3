// SPDX-License-Identifier: Apache-2.0
// The compiled-in models on the backend onednn.
#if MOLMO_HAS_XSIMD && MOLMO_HAS_ONEDNN
#include <molmo/onednn.hpp>

#include "backend.hpp"

namespace molmo_tool {

Ready run_on_onednn(int threads, std::size_t index, std::unique_ptr<Weights> weights) {
  return run_on<OneDnn<>>(threads, index, std::move(weights));
}

}  // namespace molmo_tool
#endif
