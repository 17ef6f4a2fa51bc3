// SPDX-License-Identifier: Apache-2.0
// All threads of a GPU grid, played one after another on the host: every element once, packs on whole chunks, rows,
// columns and tails in their places, reductions in one fixed order.
#include <molmo/backend/cuda_walk.hpp>
#include <molmo/core/views.hpp>
#include <molmo/expr/transpose.hpp>

#include "expr/fixtures.hpp"
#include "support/catch.hpp"

#include <new>

using namespace molmo;

namespace {

// Numbers that begin `shift` elements after a chunk.
template <class T>
class Chunked {
 public:
  Chunked(index_t n, std::uint32_t seed, index_t shift = 0)
      : bytes_(AlignedBytes::zeroed(static_cast<std::size_t>(n + shift), sizeof(T))), n_(n), shift_(shift) {
    fixtures::Numbers<T> numbers(n, seed);
    for (index_t i = 0; i < n; ++i) data()[i] = numbers[i];
  }
  [[nodiscard]] T* data() { return reinterpret_cast<T*>(bytes_.data()) + shift_; }
  T& operator[](index_t i) { return data()[i]; }
  [[nodiscard]] index_t size() const { return n_; }
  template <index_t... D>
  [[nodiscard]] View<T, Shape<dyn, D...>> tokens() {
    return {data(), n_ / (index_t{1} * ... * D)};
  }

 private:
  AlignedBytes bytes_;
  index_t n_, shift_;
};

template <class Body>
void for_each_worker(const GridSize& g, Body&& body) {
  const index_t nx = static_cast<index_t>(g.threads_x) * g.blocks_x,
                ny = static_cast<index_t>(g.threads_y) * g.blocks_y;
  for (index_t y = 0; y < ny; ++y)
    for (index_t x = 0; x < nx; ++x) body(Worker{x, y, nx, ny});
}

// The assignment of backend/cuda.cuh with its launch replaced by loops. Host views stand for device views.
template <class T, class S, class E>
Walk play_pass(View<T, S> y, const E& e, index_t most_blocks) {
  constexpr int pack = pack_size<T, E>;
  const auto flat = e.template erased<S>();
  const bool aligned = detail::on_chunks<S>(y.data, e);
  const Walk w = detail::broadcasts<E, S>() ? make_walk(y.rows(), S::cols, pack, aligned)
                                            : make_walk(y.size() > 0 ? 1 : 0, y.size(), pack, aligned);
  for_each_worker(make_grid(w, pack, most_blocks), [&](const Worker& me) { pass_share<pack>(flat, y.data, w, me); });
  return w;
}

// Counts how often each element is read, and refuses packs that are not on whole chunks.
struct Seen {
  using shape = Shape<>;
  static constexpr bool pointwise = true;
  std::vector<int>* counts;
  index_t cols;
  bool* wrong;

  template <class At>
  typename At::value eval(const At& at) const {
    const index_t first = at.row * cols + at.col;
    constexpr int n = static_cast<int>(sizeof(typename At::value) / sizeof(float));
    if (first % n != 0 || at.col + n > cols) *wrong = true;
    for (int i = 0; i < n; ++i) {
      const auto index = static_cast<std::size_t>(first + i);
      if (index < counts->size())
        ++(*counts)[index];
      else
        *wrong = true;
    }
    return at.splat(1.0f);
  }
};

template <int N>
void check_coverage(index_t rows, index_t cols, bool aligned, index_t most_blocks) {
  const Walk w = make_walk(rows, cols, N, aligned);
  const GridSize g = make_grid(w, N, most_blocks);
  CHECK(w.packed % N == 0);
  CHECK(static_cast<index_t>(g.blocks_x) * g.blocks_y <= most_blocks);
  CHECK(g.threads_x * g.threads_y <= cuda_threads);
  CHECK(g.blocks_y <= 65535);
  Chunked<float> y(rows * cols, 1);
  std::vector<int> counts(static_cast<std::size_t>(rows * cols), 0);
  bool wrong = false;
  const Seen seen{&counts, cols, &wrong};
  for_each_worker(g, [&](const Worker& me) { pass_share<N>(seen, y.data(), w, me); });
  const auto once = std::count(counts.begin(), counts.end(), 1);
  index_t stored = 0;
  for (index_t i = 0; i < rows * cols; ++i) stored += y[i] == 1;
  INFO(rows << " x " << cols << (aligned ? "" : " misaligned") << ", " << most_blocks << " blocks");
  CHECK_FALSE(wrong);
  CHECK(once == static_cast<std::ptrdiff_t>(counts.size()));
  CHECK(stored == rows * cols);
}

}  // namespace

TEST_CASE("a walk covers every element once, whatever the grid") {
  for (const index_t cols : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 24, 31, 33, 64, 100, 256, 257, 1024, 1032, 4100})
    for (const index_t rows : {1, 2, 3, 5, 17, 70})
      for (const bool aligned : {true, false})
        for (const index_t blocks : {1, 2, 7, 1000}) {
          check_coverage<4>(rows, cols, aligned, blocks);
          check_coverage<8>(rows, cols, aligned, blocks);
        }
  check_coverage<8>(1, 300000, true, 4224);
  check_coverage<4>(3000, 20, true, 64);
}

TEST_CASE("packs are used where all addresses allow it, and only there") {
  STATIC_REQUIRE(make_walk(1, 1003, 8, true).packed == 1000);
  STATIC_REQUIRE(make_walk(1, 1003, 8, false).packed == 0);
  STATIC_REQUIRE(make_walk(5, 1003, 8, true).packed == 0);  // the second row begins in the middle of a pack
  STATIC_REQUIRE(make_walk(5, 1008, 8, true).packed == 1008);
  STATIC_REQUIRE(make_walk(1, 7, 8, true).packed == 0);
  STATIC_REQUIRE(make_walk(1, 64, 1, true).packed == 0);  // double
  STATIC_REQUIRE(make_grid(make_walk(0, 64, 4, true), 4, 100).blocks_x == 0);
  STATIC_REQUIRE(make_grid(make_walk(1, 0, 4, true), 4, 100).blocks_x == 0);
  STATIC_REQUIRE(make_grid(make_walk(1, 4096, 4, true), 4, 100).blocks_x == 4);  // 1024 packs
  STATIC_REQUIRE(make_grid(make_walk(1000, 16, 8, true), 8, 100).threads_y == 128);

  Chunked<float> a(64, 1), b(64, 2, 1), c(8, 3, 1);
  CHECK(detail::on_chunks<Shape<dyn, 8>>(a.data(), a.tokens<8>() * 2));
  CHECK_FALSE(detail::on_chunks<Shape<dyn, 8>>(b.data(), a.tokens<8>() * 2));
  CHECK_FALSE(detail::on_chunks<Shape<dyn, 8>>(a.data(), a.tokens<8>() + b.tokens<8>()));
  CHECK(detail::on_chunks<Shape<dyn, 8>>(a.data(), a.tokens<8>() + c.tokens()));  // columns are read one by one
  CHECK_FALSE(detail::on_chunks<Shape<dyn>>(a.data(), leaf(c.tokens())));
}

namespace {

template <class T, index_t D>
void check_pass(index_t tokens, index_t shift) {
  Chunked<T> x(tokens * D, 4, shift), gate(tokens * D, 5, shift);
  Chunked<float> row(D, 6), column(tokens, 7, 1);
  Chunked<T> got(tokens * D, 8, shift), want(tokens * D, 8);
  const auto vrow = View<const float, Shape<D>>(row.data());
  // In float packs and in float numbers alike, so the bits are the same.
  const auto check = [&](const auto& e, const char* what) {
    on(Reference{}, want.template tokens<D>()) = e;
    for (const index_t blocks : {1, 3, 4224}) {
      for (index_t i = 0; i < got.size(); ++i) got[i] = T(-1.0f);
      play_pass(got.template tokens<D>(), e, blocks);
      index_t wrong = 0;
      for (index_t i = 0; i < got.size(); ++i) wrong += std::memcmp(&got[i], &want[i], sizeof(T)) != 0;
      INFO(what << ": " << tokens << " x " << D << ", shift " << shift << ", " << blocks << " blocks");
      CHECK(wrong == 0);
    }
  };
  const auto vx = x.template tokens<D>(), vg = gate.template tokens<D>();
  check(vx + silu(vg) * vx, "flat");
  check((vx - column.tokens()) * vrow + 0.5f, "row and column");
  check(softcap(leaf(vrow), 30.0), "row alone");
  check(leaf(column.tokens()), "column alone");
}

}  // namespace

TEST_CASE("the threads of a pass together calculate what the plain loop means") {
  for (const index_t shift : {0, 1, 4}) {
    check_pass<float, 1>(9, shift);
    check_pass<float, 3>(5, shift);
    check_pass<float, 64>(1, shift);
    check_pass<float, 132>(40, shift);
    check_pass<bf16, 64>(33, shift);
    check_pass<bf16, 100>(7, shift);
    check_pass<f16, 1024>(3, shift);
    check_pass<double, 17>(5, shift);
  }
}

namespace {

// The reduction kernels of backend/cuda.cuh, block by block.
template <class R, class Share>
double play_block(unsigned threads, Share&& share) {
  std::vector<double> part(threads);
  for (unsigned t = 0; t < threads; ++t) part[t] = share(t);
  for (unsigned half = threads / 2; half > 0; half /= 2)
    for (unsigned t = 0; t < threads; ++t) reduce_step<R>(part.data(), half, t);
  return part[0];
}

template <class R, class E>
double play_reduce_all(const E& e, bool aligned) {
  using Root = typename E::shape;
  constexpr int pack = pack_size<float, E>;
  const auto flat = e.template erased<Root>();
  const index_t rows = detail::rows_of(e);
  const Walk w = detail::broadcasts<E, Root>()
                     ? make_walk(rows, Root::cols, pack, aligned)
                     : make_walk(rows * Root::cols > 0 ? 1 : 0, rows * Root::cols, pack, aligned);
  const ReducePlan plan = make_reduce_plan(w, pack);
  if (plan.blocks == 0) return R::identity;
  REQUIRE(plan.blocks <= reduce_blocks);
  std::vector<double> partial(plan.blocks);
  for (unsigned b = 0; b < plan.blocks; ++b)
    partial[b] = play_block<R>(
        cuda_threads, [&](unsigned t) { return reduce_all_share<pack, R>(flat, w, plan, b, t, cuda_threads); });
  return play_block<R>(cuda_threads,
                       [&](unsigned t) { return partial_share<R>(partial.data(), plan.blocks, t, cuda_threads); });
}

}  // namespace

TEST_CASE("a reduction of everything: each element once, the right sum, packs or not") {
  for (const index_t n : {1, 3, 4, 7, 255, 1024, 1025, 65537, 300000, 2'000'003}) {
    Chunked<float> x(n, 9);
    double want = 0, size = 0;
    for (index_t i = 0; i < n; ++i) want += static_cast<double>(x[i]), size += std::fabs(static_cast<double>(x[i]));
    x[n - 1] += 100;
    for (const bool aligned : {true, false}) {
      INFO("n = " << n << (aligned ? "" : " misaligned"));
      CHECK(std::fabs(play_reduce_all<SumOf>(leaf(x.tokens()), aligned) - want - 100) <= 1e-6 * (size + 100));
      CHECK(play_reduce_all<MaxOf>(leaf(x.tokens()), aligned) == static_cast<double>(x[n - 1]));
      // Ones are counted exactly: nobody is left out and nobody is counted twice.
      CHECK(play_reduce_all<SumOf>(x.tokens() * 0 + 1, aligned) == static_cast<double>(n));
    }
  }
  CHECK(play_reduce_all<SumOf>(leaf(View<const float, Shape<dyn, 8>>(nullptr, 0)), true) == 0);
}

TEST_CASE("reductions of rows, and of everything where a row or a column broadcasts") {
  const auto check = [&]<index_t D>(std::integral_constant<index_t, D>, index_t rows) {
    Chunked<bf16> x(rows * D, 10);
    Chunked<float> weight(D, 11), column(rows, 12);
    const auto e = x.template tokens<D>() * View<const float, Shape<D>>(weight.data()) - column.tokens();
    const auto flat = e.template erased<Shape<dyn, D>>();
    for (const bool aligned : {true, false}) {
      const Walk w = make_walk(rows, D, 8, aligned);
      const unsigned threads = reduce_threads(w, 8);
      CHECK(((threads & (threads - 1)) == 0 && threads >= 32 && threads <= cuda_threads));
      double everything = 0, size = 0;
      for (index_t r = 0; r < rows; ++r) {
        double want = 0, all = 0;
        for (index_t c = 0; c < D; ++c) {
          const double v =
              static_cast<double>(x[r * D + c]) * static_cast<double>(weight[c]) - static_cast<double>(column[r]);
          want += v, all += std::fabs(v);
        }
        const double got = play_block<SumOf>(
            threads, [&](unsigned t) { return reduce_share<8, SumOf>(flat, w, r, 0, D, t, threads); });
        INFO(rows << " x " << D << ", row " << r);
        CHECK(std::fabs(got - want) <= 1e-6 * all);
        everything += want, size += all;
      }
      CHECK(std::fabs(play_reduce_all<SumOf>(e, aligned) - everything) <= 1e-6 * size);
    }
  };
  check(std::integral_constant<index_t, 1>{}, 5);
  check(std::integral_constant<index_t, 33>{}, 3);
  check(std::integral_constant<index_t, 128>{}, 40);
  check(std::integral_constant<index_t, 4096>{}, 7);
  check(std::integral_constant<index_t, 16>{}, 3000);
}

namespace {

// The same for a target whose rows lie apart.
template <class V, class E>
Walk play_rows(const V& y, const E& e) {
  using T = typename V::element;
  using S = typename V::shape;
  constexpr int pack = pack_size<T, E>;
  const auto flat = e.template erased<S>();
  const Walk w = make_walk(y.rows(), S::cols, pack, detail::rows_on_chunks(y) && detail::on_chunks<S>(y.data, e));
  for_each_worker(make_grid(w, pack, 7),
                  [&](const Worker& me) { pass_share<pack>(flat, detail::target_rows(y), w, me); });
  return w;
}

template <class T, index_t D>
void check_rows_apart(index_t shift, bool packs) {
  constexpr index_t n = 11;
  Chunked<T> x(n * 64, 21, shift), y(n * 64, 22, shift);
  const auto in = heads<2>(columns<16, 2 * D>(x.template tokens<64>()));
  const auto out = heads<2>(columns<0, 2 * D>(y.template tokens<64>()));
  const Walk w = play_rows(out, leaf(in) * 2);
  CHECK((w.packed > 0) == packs);
  for (index_t t = 0; t < n; ++t)
    for (index_t c = 0; c < 2 * D; ++c) REQUIRE(y[t * 64 + c] == T(2 * static_cast<float>(x[t * 64 + 16 + c])));
  const auto rows = columns<32, D>(y.template tokens<64>());
  CHECK((play_rows(rows, leaf(head(in, 1)) + head(in, 0)).packed > 0) == packs);
  for (index_t t = 0; t < n; ++t)
    for (index_t c = 0; c < D; ++c)
      REQUIRE(y[t * 64 + 32 + c] ==
              T(static_cast<float>(x[t * 64 + 16 + D + c]) + static_cast<float>(x[t * 64 + 16 + c])));
}

}  // namespace

TEST_CASE("rows that lie apart are read and written in packs where all of them begin on chunks") {
  check_rows_apart<float, 8>(0, true);
  check_rows_apart<float, 8>(1, false);
  check_rows_apart<float, 6>(0, false);
  check_rows_apart<bf16, 16>(0, true);
  check_rows_apart<bf16, 12>(0, false);
  check_rows_apart<double, 8>(0, false);
}

TEST_CASE("what spreads and what is transposed is not read in packs, and does not hinder them") {
  Chunked<float> x(6 * 24, 23), column(6, 24, 1), head_numbers(3, 25, 1), w(8 * 3, 26, 1), y(6 * 24, 27);
  const View<float, Shape<3, 1>> per_head(head_numbers.data());
  const View<float, Shape<8, 3>> weight(w.data());
  const auto e = x.tokens<3, 8>() * column.tokens() + per_head + transpose(weight);
  CHECK(play_pass(y.tokens<3, 8>(), e, 3).packed == 8);
  for (index_t i = 0; i < 6 * 24; ++i)
    REQUIRE(y[i] == x[i] * column[i / 24] + head_numbers[i / 8 % 3] + w[i % 8 * 3 + i / 8 % 3]);
}
