// SPDX-License-Identifier: Apache-2.0
// The compiled-in models on the backend xsimd.
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>

#include "backend.hpp"

namespace molmo_tool {

Ready run_on_xsimd(int threads, std::size_t index, std::unique_ptr<Weights> weights) {
  return run_on<Xsimd<>>(threads, index, std::move(weights));
}

}  // namespace molmo_tool
#endif
