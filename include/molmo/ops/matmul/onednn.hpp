// SPDX-License-Identifier: Apache-2.0
// matmul on OneDnn: f32 weights that lie row after row, and many rows of x, go to oneDNN; everything else to cpu.hpp.
//
// y is cut into tiles of at most 256 x 256. oneDNN writes a tile to scratch memory that stays in the L2 cache, and one
// pass from there through the epilogue stores it: so any epilogue works, a residual in y included. (A dense tile is
// also what lets oneDNN 2.6 choose its fastest kernel; into the columns of a wider y it was up to 1.4 times slower.)
// The cuts depend on the sizes alone, so the bits of a result do not depend on the number of threads.
#pragma once

#include <molmo/backend/onednn.hpp>
#include <molmo/ops/matmul/cpu.hpp>

#include <algorithm>
#include <array>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

inline constexpr index_t dnnl_tile = 256;
/// Rows of x from which oneDNN pays. Measured (oneDNN 2.6.3, AVX-512, f32, K x N from 288 x 768 to 2048 x 5504, one
/// thread, in turn with cpu.hpp): 1.4 to 5 times slower at 2 rows, within 5 % at 16 to 32 rows, 4 to 15 % faster at 64
/// rows, 10 to 25 % faster at 512.
inline constexpr index_t dnnl_rows = 64;
/// Multiply-adds from which it pays to have a primitive: making one takes 0.2 to 2 ms.
inline constexpr index_t dnnl_multiply_adds = index_t{1} << 22;

// The primitives of one product: whole and last tiles, by rows and by columns. False where oneDNN refuses one.
struct DnnlTiles {
  std::shared_ptr<const DnnlMatmul> of[2][2];  // [last rows][last columns]
  std::size_t scratch_bytes = 0;

  bool find(DnnlState& state, const Rows& x, index_t n) {
    const index_t rows[] = {x.m >= dnnl_tile ? dnnl_tile : 0, x.m % dnnl_tile};
    const index_t cols[] = {n >= dnnl_tile ? dnnl_tile : 0, n % dnnl_tile};
    for (int r = 0; r < 2; ++r)
      for (int c = 0; c < 2; ++c) {
        if (rows[r] == 0 || cols[c] == 0) continue;
        of[r][c] = state.matmul({rows[r], cols[c], x.k, x.stride});
        if (of[r][c] == nullptr) return false;
        scratch_bytes = (std::max)(scratch_bytes, of[r][c]->scratch_bytes());
      }
    return true;
  }
};

// Stores a tile whose corner is y[m0, n0].
template <class V, class P>
void finish_tile(const P& p, const float* tile, index_t m0, index_t rows, index_t n0, index_t cols) {
  for (index_t m = 0; m < rows; ++m, tile += cols) {
    auto* y = p.y + (m0 + m) * p.stride + n0;
    index_t c = 0;
    for (; c + V::size <= cols; c += V::size) p.finish(LanesAt<V>{m0 + m, n0 + c, V::load(tile + c)}).store(y + c);
    if (c < cols) {
      const int count = static_cast<int>(cols - c);
      p.finish(TailAt<V>{m0 + m, n0 + c, count, V::load(tile + c, count)}).store(y + c, count);
    }
  }
}

// Columns [begin, end) of one product, whole tiles of them but for the last. Where oneDNN fails, or there was no memory
// for a tile (then it is null, and a small one lies on the stack), the plain loop calculates the sums.
template <class V, class P>
void dnnl_columns(DnnlWorker* worker, const DnnlTiles& tiles, const Rows& x, const P& p, Range mine) {
  constexpr index_t short_edge = 32;
  alignas(64) float stack_tile[short_edge * short_edge];
  float* const tile = worker != nullptr ? reinterpret_cast<float*>(worker->tile.data()) : stack_tile;
  const index_t edge = worker != nullptr ? dnnl_tile : short_edge;
  const auto* w = reinterpret_cast<const float*>(p.w.data);
  for (index_t n = mine.begin; n < mine.end; n += edge) {
    const index_t cols = (std::min)(edge, mine.end - n);
    for (index_t m = 0; m < x.m; m += edge) {
      const Rows some{x.data + m * x.stride, (std::min)(edge, x.m - m), x.k, x.stride};
      const auto* first = w + n * x.k;
      if (worker == nullptr || !tiles.of[some.m < dnnl_tile][cols < dnnl_tile]->run(
                                   worker->stream.get(), some.data, first, tile, worker->scratch.data()))
        multiply_one(some,
                     Product<float, Acc>{
                         {reinterpret_cast<const std::byte*>(first), format_id<F32>, cols, x.k}, tile, cols, acc});
      finish_tile<V>(p, tile, m, some.m, n, cols);
    }
  }
}

}  // namespace detail::inline MOLMO_ISA

template <class Arch, class... P>
void multiply(const OneDnn<Arch>& cpu, const Rows& x, const P&... products) {
  using namespace detail;
  using V = Lanes<Arch>;
  const bool worth_it = x.m >= dnnl_rows && x.m * x.k * (index_t{0} + ... + products.w.rows) >= dnnl_multiply_adds &&
                        ((products.w.format == format_id<F32> && products.w.layout == Layout::rows) && ...);
  std::array<DnnlTiles, sizeof...(P)> tiles;
  std::size_t i = 0;
  if (!worth_it || !(tiles[i++].find(cpu.state(), x, products.w.rows) && ...))
    return multiply(static_cast<const Xsimd<Arch>&>(cpu), x, products...);

  std::size_t scratch_bytes = 0;
  for (const DnnlTiles& t : tiles) scratch_bytes = (std::max)(scratch_bytes, t.scratch_bytes);
  cpu.parallel([&](int part, int parts) {
    const OneOmpThread alone;
    auto worker = cpu.state().workers.lend();
    const bool ready =
        worker && worker->prepare(cpu.state().engine(), dnnl_tile * dnnl_tile * sizeof(float), scratch_bytes);
    const DnnlTiles* t = tiles.data();
    const auto one = [&](const auto& p) {
      const Range mine = split(p.w.rows, part, parts, dnnl_tile);
      dnnl_columns<V>(ready ? &*worker : nullptr, *t++, x, p, mine);
      if (dnnl_tile % p.when_stored.grain == 0 && mine.begin < mine.end) p.when_stored(mine.begin, mine.end);
    };
    (one(products), ...);
  });
  const auto rest = [&](const auto& p) {  // units that the tiles cut in two
    if (dnnl_tile % p.when_stored.grain != 0) p.when_stored(0, p.w.rows);
  };
  (rest(products), ...);
}

}  // namespace molmo::inline v0
