// SPDX-License-Identifier: Apache-2.0
// Sums are of reals.
// expect: molmo: this is of real numbers; of integers and of true and false write it of cast<float>\(e\)
#include <molmo/expr/reduce.hpp>

#ifdef MOLMO_MISTAKE
using Number = int;
#else
using Number = float;
#endif

double run(molmo::View<const Number, molmo::Shape<16>> x) { return molmo::sum(molmo::Reference{}, x); }
