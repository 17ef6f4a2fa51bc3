// SPDX-License-Identifier: Apache-2.0
// The compiled-in models on the backend reference.
#include "backend.hpp"

namespace molmo_tool {

Ready run_on_reference(int threads, std::size_t index, std::unique_ptr<Weights> weights) {
  return run_on<Reference>(threads, index, std::move(weights));
}

}  // namespace molmo_tool
