// SPDX-License-Identifier: Apache-2.0
// Sums over tokens are of reals.
// expect: molmo: token_sum\(e\), token_mean\(e\), ...: e is real numbers; write cast<float>\(e\)
#include <molmo/expr/cast.hpp>
#include <molmo/expr/token_reduce.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<4>> y, molmo::View<const int, molmo::Shape<dyn, 4>> ids) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = token_sum(ids);
#else
  molmo::on(molmo::Reference{}, y) = token_sum(molmo::cast<float>(ids));
#endif
}
