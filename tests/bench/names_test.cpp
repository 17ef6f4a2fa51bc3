// SPDX-License-Identifier: Apache-2.0
// The measuring kit and the GPU's walk in one file, the kit first: names of the one do not hide those of the other.
#if MOLMO_HAS_XSIMD
#include <molmo/bench/machine.hpp>
// (in this order)
#include <molmo/backend/cuda_walk.hpp>

#include "support/catch.hpp"

namespace molmo::inline v0::detail {
using WalkAsWrittenInDetail = Walk;  // unqualified, as backend/cuda.cuh has it
}

TEST_CASE("bench: the kit hides no name of the GPU's walk") {
  STATIC_REQUIRE(std::is_same_v<molmo::detail::WalkAsWrittenInDetail, molmo::Walk>);
}
#endif
