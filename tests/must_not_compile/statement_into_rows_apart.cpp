// SPDX-License-Identifier: Apache-2.0
// A statement that writes dense views only, and a target of rows that lie apart.
// expect: molmo: this statement writes rows that follow each other, and those of y lie apart
#include <molmo/core/views.hpp>
#include <molmo/expr/assign.hpp>

using molmo::dyn;

struct Ones {
  template <class Ctx, class T, class S>
  void run(const Ctx& ctx, molmo::View<T, S> y) const {
    molmo::on(ctx, y) = 1;
  }
};
template <>
inline constexpr bool molmo::enable_statement<Ones> = true;

void run(molmo::View<float, molmo::Shape<dyn, 32>> y) {
#ifdef MOLMO_MISTAKE
  molmo::on(molmo::Reference{}, molmo::columns<0, 8>(y)) = Ones{};
#else
  molmo::on(molmo::Reference{}, y) = Ones{};
#endif
}
