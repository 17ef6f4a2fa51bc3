// SPDX-License-Identifier: Apache-2.0
// The compiled-in models on the backend eigen.
#if MOLMO_HAS_EIGEN
#include <molmo/eigen.hpp>

#include "backend.hpp"

namespace molmo_tool {

Ready run_on_eigen(int threads, std::size_t index, std::unique_ptr<Weights> weights) {
  return run_on<EigenCpu>(threads, index, std::move(weights));
}

}  // namespace molmo_tool
#endif
