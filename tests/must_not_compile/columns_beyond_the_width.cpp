// SPDX-License-Identifier: Apache-2.0
// Columns 60 ... 67 of sixty-four.
// expect: molmo: columns<First, Count>\(x\): x has no such columns
#include <molmo/core/views.hpp>

using molmo::dyn;

auto run(molmo::View<float, molmo::Shape<dyn, 64>> x) {
#ifdef MOLMO_MISTAKE
  return molmo::columns<60, 8>(x);
#else
  return molmo::columns<56, 8>(x);
#endif
}
