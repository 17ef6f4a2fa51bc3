// SPDX-License-Identifier: Apache-2.0
// EigenCpu: Reference with the matrix products of Eigen (3.4, 5), and views both ways.
//
//   auto m = as_eigen(y);          Eigen::Map of a view or tensor: row-major, rows x cols, no copy
//   auto v = as_view<Shape<dyn, 64>>(matrix);         a view of a row-major Eigen matrix, no copy
// A backend for programs that have Eigen anyway and no SIMD library: everything else runs the plain loops. The products
// are in ops/matmul/eigen.hpp. bf16 and f16 are Eigen::bfloat16 and Eigen::half to Eigen; as_eigen maps them as such.
#pragma once

#include <molmo/backend/pool.hpp>
#include <molmo/backend/reference.hpp>
#include <molmo/core/contract.hpp>
#include <molmo/core/dtype.hpp>
#include <molmo/core/memory.hpp>
#include <molmo/core/tensor.hpp>

#include <Eigen/Core>

#include <memory>
#include <type_traits>

namespace molmo::inline v0 {
namespace detail {

template <class T>
struct EigenScalar {
  using type = T;
};
template <>
struct EigenScalar<bf16> {
  using type = Eigen::bfloat16;
};
template <>
struct EigenScalar<f16> {
  using type = Eigen::half;
};
static_assert(sizeof(Eigen::bfloat16) == sizeof(bf16) && sizeof(Eigen::half) == sizeof(f16));

template <class S>
inline constexpr int eigen_rows = S::dynamic ? Eigen::Dynamic : static_cast<int>(S::static_rows);

// Eigen has no row-major matrix of one column.
template <class T, class S>
using eigen_matrix_t = Eigen::Matrix<typename EigenScalar<T>::type, eigen_rows<S>, static_cast<int>(S::cols),
                                     S::cols == 1 && eigen_rows<S> != 1 ? Eigen::ColMajor : Eigen::RowMajor>;

template <class T, class S>
using eigen_map_t = Eigen::Map<std::conditional_t<std::is_const_v<T>, const eigen_matrix_t<std::remove_const_t<T>, S>,
                                                  eigen_matrix_t<std::remove_const_t<T>, S>>>;

// Scratch of one product: a tile of sums and a panel of decoded weights.
struct EigenWorker {
  AlignedBytes tile, panel;
};

}  // namespace detail

inline namespace MOLMO_ISA {

/// One thread; copies share their scratch memory and may be used from several threads at once.
struct EigenCpu : Reference {
  static constexpr const char* name = "eigen";

  [[nodiscard]] Pool<detail::EigenWorker>& workers() const { return *workers_; }

 private:
  std::shared_ptr<Pool<detail::EigenWorker>> workers_ = std::make_shared<Pool<detail::EigenWorker>>();
};

/// EigenCpu without the header of its products. (That one is more special: its X is Rows.)
template <class X, class... P>
void multiply(const EigenCpu&, const X&, const P&...) {
  static_assert(detail::never<X>,
                "molmo: EigenCpu's matmul is in <molmo/ops/matmul/eigen.hpp>, which is not included; "
                "include <molmo/eigen.hpp>");
}

}  // inline namespace MOLMO_ISA

/// The elements of a view as an Eigen::Map of static width: rows() x cols(), row-major.
template <class T, class S>
[[nodiscard]] auto as_eigen(const View<T, S>& v) {
  using Scalar = typename detail::EigenScalar<std::remove_const_t<T>>::type;
  using Pointer = std::conditional_t<std::is_const_v<T>, const Scalar*, Scalar*>;
  return detail::eigen_map_t<T, S>(reinterpret_cast<Pointer>(v.data), v.rows(), v.cols());
}
template <class T, index_t... D>
[[nodiscard]] auto as_eigen(Tensor<T, D...>& t MOLMO_LIFETIMEBOUND) {
  return as_eigen(t.view());
}
template <class T, index_t... D>
[[nodiscard]] auto as_eigen(const Tensor<T, D...>& t MOLMO_LIFETIMEBOUND) {
  return as_eigen(t.view());
}
template <class T, index_t... D>
void as_eigen(const Tensor<T, D...>&& temporary) = delete;  // the elements would be gone at the end of the statement

namespace detail {

// What of an Eigen type the compiler can know about a view of it.
template <class S, class M>
constexpr void check_eigen_type() {
  static_assert(std::is_base_of_v<Eigen::PlainObjectBase<M>, M> ||
                    std::is_base_of_v<Eigen::MapBase<M, Eigen::ReadOnlyAccessors>, M>,
                "molmo: as_view needs an Eigen matrix, array or map; evaluate the expression first");
  static_assert(M::IsRowMajor || M::ColsAtCompileTime == 1 || M::RowsAtCompileTime == 1,
                "molmo: as_view needs a row-major Eigen matrix: Eigen::Matrix<T, Rows, Cols, Eigen::RowMajor>");
  static_assert(M::InnerStrideAtCompileTime == 1,
                "molmo: as_view needs an Eigen matrix whose elements stand side by side");
  static_assert(M::ColsAtCompileTime == Eigen::Dynamic || M::ColsAtCompileTime == S::cols || M::ColsAtCompileTime == 1,
                "molmo: as_view<Shape>: the Eigen matrix has another number of columns than the shape");
  static_assert(S::dynamic || M::RowsAtCompileTime == Eigen::Dynamic || M::RowsAtCompileTime == S::static_rows ||
                    M::RowsAtCompileTime * M::ColsAtCompileTime == S::static_rows * S::cols,
                "molmo: as_view<Shape>: the Eigen matrix has another number of rows than the shape");
}

template <class Scalar>
struct ElementOf {
  using type = Scalar;
};
template <>
struct ElementOf<Eigen::bfloat16> {
  using type = bf16;
};
template <>
struct ElementOf<Eigen::half> {
  using type = f16;
};

template <class S, class T, class M>
View<T, S> view_of(M& m) {
  const index_t rows = m.rows(), cols = m.cols();
  const bool vector = (cols == 1 || rows == 1) && (rows * cols) % elements_per_token<S> == 0;
  const bool fits = vector || (cols == S::cols && rows % S::static_rows == 0);
  expects(fits && (S::dynamic || rows * cols == elements_per_token<S>),
          "molmo: as_view<Shape>: the Eigen matrix has other sizes");
  expects(rows <= 1 || m.outerStride() == (M::IsRowMajor ? cols : rows),
          "molmo: as_view<Shape>: the rows of the Eigen matrix lie apart");
  auto* data = reinterpret_cast<T*>(m.data());
  if constexpr (S::dynamic)
    return View<T, S>(data, rows * cols / elements_per_token<S>);
  else
    return View<T, S>(data);
}

}  // namespace detail

/// A view of an Eigen matrix, array or map that is stored row by row without gaps. Sizes that are known while compiling
/// are checked then, the others when called (contract_error).
template <class S, class M>
[[nodiscard]] auto as_view(Eigen::DenseBase<M>& matrix MOLMO_LIFETIMEBOUND) {
  detail::check_eigen_type<S, M>();
  using T = typename detail::ElementOf<typename M::Scalar>::type;
  using P = std::remove_pointer_t<decltype(matrix.derived().data())>;
  return detail::view_of<S, std::conditional_t<std::is_const_v<P>, const T, T>>(matrix.derived());
}
template <class S, class M>
[[nodiscard]] auto as_view(const Eigen::DenseBase<M>& matrix MOLMO_LIFETIMEBOUND) {
  detail::check_eigen_type<S, M>();
  using T = typename detail::ElementOf<typename M::Scalar>::type;
  return detail::view_of<S, const T>(matrix.derived());
}
template <class S, class M>
void as_view(const Eigen::PlainObjectBase<M>&& temporary) = delete;  // its elements would be gone after the statement

}  // namespace molmo::inline v0
