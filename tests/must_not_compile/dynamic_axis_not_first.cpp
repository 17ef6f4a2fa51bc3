// SPDX-License-Identifier: Apache-2.0
// Only the token axis, the first, may be dynamic.
// expect: molmo: only the first axis \(tokens\) may be molmo::dyn
#include <molmo/core/shape.hpp>

#ifdef MOLMO_MISTAKE
using S = molmo::Shape<8, molmo::dyn>;
#else
using S = molmo::Shape<molmo::dyn, 8>;
#endif
static_assert(S::rank == 2);
