// SPDX-License-Identifier: Apache-2.0
// A size of zero.
// expect: molmo: a size must be positive
#include <molmo/core/shape.hpp>

#ifdef MOLMO_MISTAKE
using S = molmo::Shape<0, 8>;
#else
using S = molmo::Shape<1, 8>;
#endif
static_assert(S::rank == 2);
