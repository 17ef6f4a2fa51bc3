// SPDX-License-Identifier: Apache-2.0
// Xsimd<Arch>: the fast CPU backend. SIMD registers of the instruction set Arch, and threads.
//
//   Xsimd cpu{8};          eight threads, the instruction set that this file is compiled for
//   Xsimd cpu{executor};   your own threads
//   cpu.exact()            the same threads; activations stay f32 beside q8 and q4 weights (slower; ops/matmul/cpu.hpp)
// This header has the machinery and pointwise assignment; each op's fast loop is in its room, ops/<op>/cpu.hpp, and
// falls back to the plain loops of Reference where there is none. molmo/cpu.hpp includes them all.
#pragma once

#include <molmo/backend/bytes.hpp>
#include <molmo/backend/lanes_math.hpp>
#include <molmo/backend/scratch.hpp>
#include <molmo/backend/threads.hpp>
#include <molmo/expr/reduce.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace molmo::inline v0 {

inline namespace MOLMO_ISA {

template <class Arch = native, bool Vnni = has_vnni<Arch>>
struct Xsimd : FastCpu {
  static_assert(Vnni == has_vnni<Arch>,
                "molmo: Vnni follows from Arch and the compiler's flags; leave it to its default");
  static constexpr const char* name = "xsimd";
  using lanes = Lanes<Arch>;

  /// The calling thread only.
  Xsimd() = default;
  /// `threads` threads, the caller included; 0 means one per core.
  explicit Xsimd(int threads) {
    if (threads != 1) shared_->executor = std::make_shared<ThreadPool>(threads);
  }
  /// Threads of your own.
  explicit Xsimd(std::shared_ptr<Executor> executor) { shared_->executor.swap(executor); }
  Xsimd(const Xsimd&) = default;  // and no move: nothing is left without its threads
  Xsimd& operator=(const Xsimd&) = default;

  [[nodiscard]] int threads() const { return shared_->executor ? shared_->executor->threads() : 1; }
  /// A copy that never rounds activations to bytes, and whether this is one.
  [[nodiscard]] Xsimd exact() const {
    Xsimd copy = *this;
    copy.exact_ = true;
    return copy;
  }
  [[nodiscard]] bool is_exact() const { return exact_; }

  /// Calls body(part, parts) for all parts, at the same time; returns when all are done. They calculate with the
  /// rounding mode of the caller; if some throw, the first exception is thrown here.
  template <class Body>
  void parallel(Body&& body) const {
    if (!shared_->executor) return body(0, 1);
    run_parts(*shared_->executor, std::forward<Body>(body));
  }
  /// As parallel(), but the caller alone where the work is too small to share.
  template <class Body>
  void parallel_if(bool worth_it, Body&& body) const {
    if (worth_it)
      parallel(std::forward<Body>(body));
    else
      body(0, 1);
  }
  /// Calls body(part, parts, worker) for at least `parts` parts, as many as there are threads or more; where there are
  /// more, a thread takes the next part as soon as it is done with one. No two calls with the same worker, in
  /// [0, threads()), run at the same time. The caller alone, in one part, where not `worth_it`.
  template <class Body>
  void share(index_t parts, bool worth_it, Body&& body) const {
    const int at_once = worth_it ? threads() : 1;
    const int all = at_once == 1 || parts <= at_once ? at_once : static_cast<int>(parts);
    std::atomic<int> next{0};
    parallel_if(at_once > 1, [&](int worker, int workers) {
      const bool deal = all > workers;  // else each has one
      for (int part = deal ? next.fetch_add(1) : worker; part < all; part = deal ? next.fetch_add(1) : all)
        body(part, all, worker);
    });
  }
  /// Memory for the kernels of a call, a piece for each of the threads.
  [[nodiscard]] Scratch::Loan scratch(bool needed = true) const { return shared_->scratch.lend(threads(), needed); }

 private:
  struct Shared {  // by all copies
    std::shared_ptr<Executor> executor;
    Scratch scratch;
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  bool exact_ = false;
};

template <class Arch>
void prepare(const Xsimd<Arch>& cpu) {
  (void)cpu.scratch();
}

Xsimd()->Xsimd<>;
Xsimd(int)->Xsimd<>;
Xsimd(std::shared_ptr<Executor>)->Xsimd<>;

}  // inline namespace MOLMO_ISA

/// Elements of a pointwise pass below which a second thread costs more than it saves.
inline constexpr index_t parallel_pass_elements = 32768;

namespace detail::inline MOLMO_ISA {

// y(r, c) = e(r, c) for columns [begin, end) of one row.
template <class V, class T, class E>
void assign_row(T* y, const E& expression, index_t row, index_t begin, index_t end) {
  const E e = expression;  // a copy that no store can change, so that what depends on the row is calculated once
  index_t c = begin;
  for (; c + V::size <= end; c += V::size) e.eval(as_stored<T>(LanesAt<V>{row, c, V{}})).store(y + c);
  if (c < end) {
    const int count = static_cast<int>(end - c);
    e.eval(as_stored<T>(TailAt<V>{row, c, count, V{}})).store(y + c, count);
  }
}

// y(c) = How::combine(y(c), e(row, c)) for columns [begin, end).
template <class V, class How, class T, class E>
void combine_row(T* y, const E& e, index_t row, index_t begin, index_t end) {
  index_t c = begin;
  for (; c + V::size <= end; c += V::size) {
    const LanesAt<V> place{row, c, V{}};  // as_stored may give a reference to it
    const auto& at = as_stored<T>(place);
    How::combine(at.load(y + c), e.eval(at)).store(y + c);
  }
  if (c < end) {
    const int count = static_cast<int>(end - c);
    const TailAt<V> place{row, c, count, V{}};
    const auto& at = as_stored<T>(place);
    How::combine(at.load(y + c), e.eval(at)).store(y + c, count);
  }
}

}  // namespace detail::inline MOLMO_ISA

/// One pass of SIMD registers, shared among the threads when it is long. Rows of y may lie apart.
template <class Arch, class T, class S, index_t R, index_t O, class E>
void assign(const Xsimd<Arch>& cpu, View<T, S, Host, R, O> y, const E& e) {
  if constexpr (std::is_same_v<detail::pass_t<T, E>, double>) {
    assign(static_cast<const Reference&>(cpu), y, e);
  } else {
    using V = Lanes<Arch>;
    const auto flat = e.template erased<S>();
    const bool share = y.size() >= parallel_pass_elements;
    if constexpr (View<T, S, Host, R, O>::dense && !detail::broadcasts<E, S>()) {  // one long row
      cpu.parallel_if(share, [&](int part, int parts) {
        const Range mine = split(y.size(), part, parts, index_t{64});
        detail::assign_row<V>(y.data, flat, 0, mine.begin, mine.end);
      });
    } else {
      cpu.parallel_if(share, [&](int part, int parts) {
        const Range mine = split(y.rows(), part, parts);
        for (index_t r = mine.begin; r < mine.end; ++r) detail::assign_row<V>(y.row(r), flat, r, 0, S::cols);
      });
    }
  }
}

namespace detail::inline MOLMO_ISA {

inline constexpr index_t reduce_piece = 16384;  // elements added before their sum joins the others

// Columns [begin, end) of one row, in four registers that are combined in a fixed order.
template <class V, class R, class E>
double reduce_piece_of_row(const E& e, index_t row, index_t begin, index_t end) {
  V a[4];
  for (V& v : a) v = V::broadcast(static_cast<float>(R::identity));
  index_t c = begin;
  for (; c + 4 * V::size <= end; c += 4 * V::size) {
    MOLMO_UNROLL
    for (int i = 0; i < 4; ++i) a[i] = R::combine(e.eval(LanesAt<V>{row, c + i * V::size, V{}}), a[i]);
  }
  for (; c + V::size <= end; c += V::size) a[0] = R::combine(e.eval(LanesAt<V>{row, c, V{}}), a[0]);
  alignas(64) float lane[static_cast<std::size_t>(V::size)];
  R::combine(R::combine(a[0], a[1]), R::combine(a[2], a[3])).store(lane);
  double half[static_cast<std::size_t>(V::size)];
  for (int i = 0; i < V::size; ++i) half[i] = static_cast<double>(lane[i]);
  MOLMO_UNROLL
  for (int n = V::size / 2; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) half[i] = R::combine(half[i + n], half[i]);
  double total = R::combine(half[0], R::identity);
  for (; c < end; ++c) total = R::combine(static_cast<double>(e.eval(ScalarAt<float>{row, c})), total);
  return total;
}

}  // namespace detail::inline MOLMO_ISA

/// Pieces of fixed size, shared among the threads, their results combined in order.
template <class Arch, class R, class E>
[[nodiscard]] double reduce_row(const Xsimd<Arch>& cpu, R, const E& erased, index_t r, index_t cols) {
  using detail::reduce_piece;
  constexpr index_t at_once = 64;
  if (cols <= reduce_piece) return detail::reduce_piece_of_row<Lanes<Arch>, R>(erased, r, 0, cols);
  double total = R::identity;
  for (index_t first = 0; first < cols; first += at_once * reduce_piece) {
    const index_t left = cols - first;
    const index_t pieces = left >= at_once * reduce_piece ? at_once : (left + reduce_piece - 1) / reduce_piece;
    double result[at_once];
    cpu.parallel_if(pieces > 1, [&](int part, int parts) {
      const Range mine = split(pieces, part, parts);
      for (index_t p = mine.begin; p < mine.end; ++p) {
        const index_t begin = first + p * reduce_piece;
        const index_t end = begin + reduce_piece < cols ? begin + reduce_piece : cols;
        result[p] = detail::reduce_piece_of_row<Lanes<Arch>, R>(erased, r, begin, end);
      }
    });
    for (index_t p = 0; p < pieces; ++p) total = R::combine(result[p], total);
  }
  return total;
}

/// Everything; operands of double are added in double.
template <class Arch, class R, class E>
[[nodiscard]] double reduce_all(const Xsimd<Arch>& cpu, R r, const E& e) {
  if constexpr (detail::has_double<E>())
    return reduce_all(static_cast<const Reference&>(cpu), r, e);
  else
    return detail::reduce_by_rows(cpu, r, e);
}
/// Rows, shared among the threads where there are many numbers.
template <class Arch, class R, class T, class S, class E>
void reduce_rows(const Xsimd<Arch>& cpu, R r, View<T, S> y, const E& e) {
  if constexpr (detail::has_double<E>()) {
    reduce_rows(static_cast<const Reference&>(cpu), r, y, e);
  } else {
    const auto flat = e.template erased<typename E::shape>();
    const index_t rows = y.size();
    const index_t cols = E::shape::cols;
    const bool share = rows >= cpu.threads() && rows * cols >= parallel_pass_elements;
    cpu.parallel_if(share, [&](int part, int parts) {
      const Range mine = split(rows, part, parts, index_t{16});  // a cache line of y to one thread
      for (index_t row = mine.begin; row < mine.end; ++row)
        y.data[row] = static_cast<T>(reduce_row(cpu, r, flat, row, cols));
    });
  }
}

/// Rows to the places of their ids, in order: each thread has columns of its own.
template <class Root, class Arch, class How, class T, class Ids, class E>
void scatter_rows(const Xsimd<Arch>& cpu, How how, T* y, index_t width, const Ids& id, index_t count, const E& x) {
  if constexpr (std::is_same_v<detail::pass_t<T, E>, double>) {
    scatter_rows<Root>(static_cast<const Reference&>(cpu), how, y, width, id, count, x);
  } else {
    const auto flat = x.template erased<Root>();
    cpu.parallel_if(count * width >= parallel_pass_elements, [&](int part, int parts) {
      const Range mine = split(width, part, parts, index_t{64});
      if (mine.begin == mine.end) return;
      for (index_t t = 0; t < count; ++t)
        detail::combine_row<Lanes<Arch>, How>(y + id[t] * width, flat, t, mine.begin, mine.end);
    });
  }
}

/// Columns [first, first + cols of Root) of y are e; rows shared among the threads.
template <class Root, class Arch, class T, class S, class E>
void assign_columns(const Xsimd<Arch>& cpu, View<T, S> y, index_t first, const E& e) {
  if constexpr (std::is_same_v<detail::pass_t<T, E>, double>) {
    assign_columns<Root>(static_cast<const Reference&>(cpu), y, first, e);
  } else {
    const auto flat = e.template erased<Root>();
    cpu.parallel_if(y.rows() * Root::cols >= parallel_pass_elements, [&](int part, int parts) {
      const Range mine = split(y.rows(), part, parts);
      for (index_t r = mine.begin; r < mine.end; ++r)
        detail::assign_row<Lanes<Arch>>(y.row(r) + first, flat, r, 0, Root::cols);
    });
  }
}

}  // namespace molmo::inline v0
