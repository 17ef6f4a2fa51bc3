// SPDX-License-Identifier: Apache-2.0
// The epilogue of a matmul stores element by element: a row reduction has no value there.
// expect: molmo: sum\(e\), mean\(e\), ... of rows have a value in on\(ctx, y\) = e and in reductions only; store
// lines: 20
#include <molmo/expr/reduce.hpp>
#include <molmo/ops/matmul/matmul.hpp>

using molmo::acc;
using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 8>> y, molmo::View<const float, molmo::Shape<dyn, 4>> x,
         molmo::View<const float, molmo::Shape<8, 4>> w, molmo::View<float, molmo::Shape<dyn>> s) {
#ifdef MOLMO_MISTAKE
  (void)s;
  molmo::on(molmo::Reference{}, y) = matmul(x, w).then(acc * mean(x));
#else
  molmo::on(molmo::Reference{}, s) = mean(x);
  molmo::on(molmo::Reference{}, y) = matmul(x, w).then(acc * s);
#endif
}
