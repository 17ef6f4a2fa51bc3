// SPDX-License-Identifier: Apache-2.0
// matmul on Xsimd: chooses the kernel, and splits the columns of y among the threads.
//
//   weights                       rows of x       kernel
//   plain numbers, row by row     below 13        cpu_rows.hpp     up to eight weight rows walked together
//   plain numbers, in panels      up to 16, f32 always   cpu_panels.hpp   register tiles on the weights where they lie
//   q8 and q4 in panels           any             cpu_blocks.hpp   bytes times bytes (AVX2, AVX-512; not for exact())
//   everything else               any             cpu_panels.hpp   unpacked to f32, then register tiles
// The columns of all products are split once and the same way for equal widths, so one parallel step does q, k and v,
// or gate and up: where the second product reads what the first stored in the same column, the same thread wrote it.
#pragma once

#include <molmo/ops/matmul/cpu_blocks.hpp>
#include <molmo/ops/matmul/cpu_panels.hpp>
#include <molmo/ops/matmul/cpu_rows.hpp>

namespace molmo::inline v0 {
namespace detail::inline MOLMO_ISA {

/// Rows of x from which unpacking pays: rows of plain numbers, and panels of 16-bit ones.
inline constexpr index_t unpack_rows_from = 13, unpack_panels_from = 17;
/// Multiply-adds below which waking a second thread costs more than it saves, and multiply-adds that are worth a share
/// of their own. Large products are cut into more shares than there are threads: if a thread loses its core for a
/// moment, the others take its shares.
inline constexpr index_t parallel_multiply_adds = 65536, share_multiply_adds = index_t{1} << 21;

enum class MatmulKernel { rows, panels, bytes, unpacked };

/// What the measurements of docs/performance.md say.
template <class B>
[[nodiscard]] MatmulKernel matmul_kernel(const WeightMatrix& w, index_t m, index_t k, bool exact) {
  if (!is_listed(w.format)) return MatmulKernel::unpacked;
  return with_format(w.format, [&]<class F>(F) {
    if constexpr (PlainFormat<F>) {
      if (w.layout == Layout::rows) return m < unpack_rows_from ? MatmulKernel::rows : MatmulKernel::unpacked;
      return m < unpack_panels_from || std::is_same_v<F, F32> ? MatmulKernel::panels : MatmulKernel::unpacked;
    } else if constexpr (BlockFormat<F>) {
      const bool worth_it = B::fast && ByteRows::blocks_of(k) <= ByteRows::most_blocks;
      return w.layout == Layout::panels && worth_it && !exact ? MatmulKernel::bytes : MatmulKernel::unpacked;
    } else {
      return MatmulKernel::unpacked;
    }
  });
}

template <class V, class P>
void multiply_columns(const Rows& x, const P& p, MatmulKernel kernel, Range mine, std::byte* lent) {
  if (kernel == MatmulKernel::rows)
    multiply_few_rows<V>(x, p, mine.begin, mine.end);
  else if (kernel == MatmulKernel::panels)
    multiply_panels<V>(x, p, mine.begin, mine.end);
  else if (kernel == MatmulKernel::unpacked)
    multiply_unpacked<V>(x, p, mine.begin, mine.end, lent);
}

/// Shares that a step is cut into: a multiple of the threads, at most eight for each; with many rows of x each share
/// has eight full tiles of columns beside each other, so that the narrow tiles at its end do not count.
[[nodiscard]] inline index_t matmul_shares(index_t work, index_t rows, index_t columns, index_t threads) {
  index_t each = work / share_multiply_adds / threads;
  if (rows >= 8 && each > columns / (384 * threads)) each = columns / (384 * threads);
  return (each < 1 ? 1 : each > 8 ? 8 : each) * threads;
}

/// The columns of a product that are this thread's: whole panels, and whole units of what follows.
template <class P>
[[nodiscard]] Range my_columns(const P& p, int part, int parts) {
  const index_t grain = p.when_stored.grain <= panel_rows ? panel_rows : p.when_stored.grain;
  return split(p.w.rows, part, parts, grain);
}

/// The same product without its `when_stored`: products with and without one use the same compiled kernels.
template <class T, class E, class WhenStored>
[[nodiscard]] Product<T, E> alone(const Product<T, E, WhenStored>& p) {
  return {p.w, p.y, p.stride, p.epilogue};
}

/// Products whose weights are multiplied as bytes: x is rounded piece by piece, and each piece meets all of them.
template <class V, class B, class... P>
MOLMO_NOINLINE void multiply_bytes(const Rows& x, int part, int parts, std::byte* lent, const P&... products) {
  alignas(64) std::byte own[ByteRows::stack_blocks * ByteRows::block_bytes];
  ByteRows bytes(x.k, lent != nullptr ? lent : own, lent != nullptr ? ByteRows::most_blocks : ByteRows::stack_blocks);
  const index_t most = bytes.rows();
  for (index_t m = 0; m < x.m; m += most) {
    const index_t count = x.m - m < most ? x.m - m : most;
    round_rows<B>(x, m, count, bytes);
    const auto one = [&](const auto& p) {
      const Range mine = my_columns(p, part, parts);
      if (mine.begin < mine.end) multiply_blocks<V, B>(bytes, m, count, alone(p), mine.begin, mine.end);
    };
    (one(products), ...);
  }
}

/// Do these kernels need memory beside the stack?
[[nodiscard]] MOLMO_NOINLINE inline bool needs_scratch(const MatmulKernel* kernels, std::size_t count, index_t m,
                                                       index_t k) {
  for (std::size_t i = 0; i < count; ++i) {
    if (kernels[i] == MatmulKernel::unpacked) return true;
    if (kernels[i] == MatmulKernel::bytes && m * ByteRows::blocks_of(k) > ByteRows::stack_blocks) return true;
  }
  return false;
}

}  // namespace detail::inline MOLMO_ISA

template <class Arch, class... P>
void multiply(const Xsimd<Arch>& cpu, const Rows& x, const P&... products) {
  using namespace detail;
  using B = Bytes<Arch>;
  const index_t columns = (index_t{0} + ... + products.w.rows);
  MatmulKernel kernels[] = {matmul_kernel<B>(products.w, x.m, x.k, cpu.is_exact())...};
  const Scratch::Loan lent = cpu.scratch(needs_scratch(kernels, sizeof...(P), x.m, x.k));
  if (!lent && ByteRows::blocks_of(x.k) > ByteRows::stack_blocks)  // no memory for a single row of x as bytes
    for (MatmulKernel& k : kernels) k = k == MatmulKernel::bytes ? MatmulKernel::unpacked : k;
  bool all_bytes = true;
  for (const MatmulKernel k : kernels) all_bytes = all_bytes && k == MatmulKernel::bytes;
  const index_t work = x.m * x.k * columns;
  const index_t shares = matmul_shares(work, x.m, columns / static_cast<index_t>(sizeof...(P)), cpu.threads());
  cpu.share(shares, work >= parallel_multiply_adds, [&](int part, int parts, int worker) MOLMO_NOINLINE {
    using V = Lanes<Arch>;
    const auto finish = [&](const auto& p) {
      const Range mine = my_columns(p, part, parts);
      if (mine.begin < mine.end) p.when_stored(mine.begin, mine.end);
    };
    if constexpr (B::fast) {
      if (all_bytes) {
        multiply_bytes<V, B>(x, part, parts, lent[worker], products...);
        return (finish(products), ...);
      }
    }
    const MatmulKernel* kernel = kernels;
    const auto one = [&](const auto& p) {  // in order: a product may read what the one before it stored
      if constexpr (B::fast) {
        if (*kernel == MatmulKernel::bytes) {
          ++kernel;
          multiply_bytes<V, B>(x, part, parts, lent[worker], p);
          return finish(p);
        }
      }
      multiply_columns<V>(x, alone(p), *kernel++, my_columns(p, part, parts), lent[worker]);
      finish(p);
    };
    (one(products), ...);
  });
}

}  // namespace molmo::inline v0
