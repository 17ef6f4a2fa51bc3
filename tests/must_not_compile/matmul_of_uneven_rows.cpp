// SPDX-License-Identifier: Apache-2.0
// The heads of a slice of columns: two distances between rows.
// expect: molmo: matmul\(x, w\): the rows of x are evenly apart
#include <molmo/core/views.hpp>
#include <molmo/ops/matmul/matmul.hpp>

using molmo::dyn;

void run(molmo::View<float, molmo::Shape<dyn, 2, 4>> y, molmo::View<const float, molmo::Shape<dyn, 64>> x,
         molmo::Weight<molmo::Shape<4, 16>> w) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, y) = matmul(molmo::heads<2>(molmo::columns<0, 32>(x)), w);
#else
  molmo::on(molmo::Reference{}, molmo::head(y, 0)) = matmul(molmo::columns<0, 16>(x), w);
#endif
}
