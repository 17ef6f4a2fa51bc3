// SPDX-License-Identifier: Apache-2.0
// Views and tensors as Eigen maps, and Eigen matrices as views.
#if defined(MOLMO_HAS_EIGEN)
#include <molmo/backend/eigen.hpp>
#include <molmo/expr/assign.hpp>

#include <support/catch.hpp>

using namespace molmo;

TEST_CASE("as_eigen: the same elements, row-major, read and written") {
  Tensor<float, dyn, 3> t(2);
  for (index_t i = 0; i < t.size(); ++i) t[i] = static_cast<float>(i);
  auto m = as_eigen(t);
  STATIC_REQUIRE(decltype(m)::IsRowMajor);
  STATIC_REQUIRE(decltype(m)::ColsAtCompileTime == 3);
  CHECK(m.rows() == 2);
  CHECK(m(1, 0) == 3.0f);
  m(1, 2) = 50.0f;
  CHECK(t(1, 2) == 50.0f);
  CHECK(m.data() == t.data());

  const auto& fixed = t;
  auto c = as_eigen(fixed);
  STATIC_REQUIRE(std::is_same_v<decltype(c.data()), const float*>);
  CHECK(c(1, 2) == 50.0f);
  auto v = as_eigen(t.view().slice(1, 1));
  CHECK(v.rows() == 1);
  CHECK(v(0, 0) == 3.0f);
}

TEST_CASE("as_eigen: static shapes, columns, and 16-bit numbers") {
  Tensor<float, 4, 5> w;
  auto m = as_eigen(w);
  STATIC_REQUIRE(decltype(m)::RowsAtCompileTime == 4);
  m.setConstant(2.0f);
  CHECK(w(3, 4) == 2.0f);
  CHECK((m * m.transpose())(0, 0) == 20.0f);

  Tensor<double, dyn> column(3);
  auto k = as_eigen(column);
  STATIC_REQUIRE(decltype(k)::ColsAtCompileTime == 1);
  k << 1.0, 2.0, 3.0;
  CHECK(column[2] == 3.0);

  Tensor<bf16, dyn, 2> b(1);
  b[0] = bf16(1.5f);
  CHECK(static_cast<float>(as_eigen(b)(0, 0)) == 1.5f);
  Tensor<f16, dyn, 2> h(1);
  h[1] = f16(-0.25f);
  CHECK(static_cast<float>(as_eigen(h)(0, 1)) == -0.25f);
  as_eigen(h)(0, 0) = Eigen::half(3.0f);
  CHECK(static_cast<float>(h[0]) == 3.0f);
}

TEST_CASE("as_view: an Eigen matrix as an operand and as a target") {
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  auto v = as_view<Shape<dyn, 3>>(m);
  STATIC_REQUIRE(std::is_same_v<decltype(v), View<float, Shape<dyn, 3>>>);
  CHECK(v.tokens() == 2);
  CHECK(v(1, 0) == 4.0f);
  on(Reference{}, v) = v * 2.0f;
  CHECK(m(1, 2) == 12.0f);

  const auto& fixed = m;
  auto c = as_view<Shape<2, 3>>(fixed);
  STATIC_REQUIRE(std::is_same_v<decltype(c), View<const float, Shape<2, 3>>>);
  CHECK(c(0, 1) == 4.0f);

  Eigen::VectorXf column(4);
  column << 1, 2, 3, 4;
  CHECK(as_view<Shape<4>>(column)[3] == 4.0f);
  CHECK(as_view<Shape<dyn>>(column).tokens() == 4);
  CHECK(as_view<Shape<dyn, 2>>(column)(1, 0) == 3.0f);

  Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, 3, Eigen::RowMajor>> map(m.data(), 2, 3);
  CHECK(as_view<Shape<dyn, 3>>(map).data == m.data());
  Eigen::ArrayXf array = Eigen::ArrayXf::Constant(5, 7.0f);
  CHECK(as_view<Shape<5>>(array)[4] == 7.0f);
  Eigen::Matrix<Eigen::bfloat16, 1, 2> narrow(Eigen::bfloat16(1.5f), Eigen::bfloat16(2.0f));
  CHECK(static_cast<float>(as_view<Shape<2>>(narrow)[0]) == 1.5f);
}

#if MOLMO_EXCEPTIONS
TEST_CASE("as_view: other sizes are refused") {
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> m(2, 3);
  m.setZero();
  CHECK_THROWS_AS((as_view<Shape<dyn, 4>>(m)), contract_error);
  CHECK_THROWS_AS((as_view<Shape<3, 3>>(m)), contract_error);
  CHECK_THROWS_AS((as_view<Shape<dyn, 2>>(m)), contract_error);  // 6 elements, but rows of three
}
#endif
#endif
