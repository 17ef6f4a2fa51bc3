// SPDX-License-Identifier: Apache-2.0
// How many tokens hold is a sum of numbers.
// expect: molmo: token_sum\(e\), token_mean\(e\), ...: e is real numbers; write cast<float>\(e\)
#include <molmo/expr/cast.hpp>
#include <molmo/expr/token_reduce.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<4>> y, molmo::View<const float, molmo::Shape<dyn, 4>> x) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = token_sum(x > 0);
#else
  molmo::on(molmo::Reference{}, y) = token_sum(molmo::cast<float>(x > 0));
#endif
}
