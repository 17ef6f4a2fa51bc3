// SPDX-License-Identifier: Apache-2.0
// A number where a Shape belongs.
// expect: molmo: the second argument of View is a Shape
#include <molmo/core/view.hpp>

struct Sizes {
  static constexpr bool dynamic = false;
};
#ifdef MOLMO_MISTAKE
using V = molmo::View<float, Sizes>;
#else
using V = molmo::View<float, molmo::Shape<8>>;
#endif
static_assert(sizeof(V) == sizeof(float*));
