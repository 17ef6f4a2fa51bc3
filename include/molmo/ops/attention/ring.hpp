// SPDX-License-Identifier: Apache-2.0
// Ring attention (Liu, Zaharia and Abbeel 2023): a sequence cut over P ranks. Each keeps its queries; keys and values
// go round, from rank r to rank r + 1, and after P steps every query has met every key. Parts are added by combine().
//
//   contiguous   rank r has the r-th of P pieces. Under a causal mask later ranks have more to do
//   zig-zag      the sequence in 2 P pieces, rank r has pieces r and 2 P - 1 - r: equal work under a causal mask
// Here ranks are threads of one process, and what goes round are pointers. The result equals whole attention up to f32
// rounding, whatever the mask: positions are those of the whole sequence, and pairs of pieces that see nothing of one
// another cost one question to the mask.
#pragma once

#include <molmo/ops/attention/combine.hpp>
#include <molmo/ops/attention/masked.hpp>

#include <barrier>
#include <exception>
#include <thread>
#include <vector>

namespace molmo::inline v0 {

/// How the positions of a sequence are dealt to the ranks.
enum class RingLayout : std::uint8_t { contiguous, zigzag };

/// Positions [begin, begin + count) of the whole sequence.
struct RingPiece {
  index_t begin = 0, count = 0;
};

/// The pieces of a rank, at most two; piece i of a sequence of n tokens in `pieces` pieces, the first ones being longer
/// where they are not equal.
struct RingShare {
  RingPiece piece[2];
  index_t pieces = 1;

  [[nodiscard]] static constexpr RingPiece cut(index_t n, index_t i, index_t pieces) {
    const index_t each = n / pieces, longer = n % pieces;
    return {i * each + (i < longer ? i : longer), each + (i < longer ? 1 : 0)};
  }
  [[nodiscard]] static constexpr RingShare of(RingLayout layout, index_t n, index_t rank, index_t ranks) {
    if (layout == RingLayout::contiguous) return {{cut(n, rank, ranks), {}}, 1};
    return {{cut(n, rank, 2 * ranks), cut(n, 2 * ranks - 1 - rank, 2 * ranks)}, 2};
  }
};

/// Keys and values of one rank: one entry for each of its pieces.
struct RingBlock {
  HeadRows<const float> k[2], v[2];
};
/// What a rank has: its queries and outputs, and the keys and values that it starts with, for each of its pieces.
/// `part` and `part_lse` are memory for one piece's result of a step, as large as the largest of its outputs.
struct RingRank {
  HeadRows<const float> q[2];
  HeadRows<float> out[2];
  float* lse[2] = {};
  RingBlock own;
  float* part = nullptr;
  float* part_lse = nullptr;
};

namespace detail::inline MOLMO_ISA {

inline void clear_part(const AttentionPart& p) {
  for (index_t t = 0; t < p.out.tokens; ++t)
    for (index_t h = 0; h < p.out.heads; ++h) {
      for (index_t i = 0; i < p.out.width; ++i) p.out.at(t, h)[i] = 0;
      p.lse[t * p.out.heads + h] = -std::numeric_limits<float>::infinity();
    }
}

}  // namespace detail::inline MOLMO_ISA

/// One step of one rank: its queries meet the keys that `source` started with. `share` are the positions of the rank's
/// pieces, `theirs` those of the source's.
template <class Ctx, Mask M, Expr S>
void ring_step(const Ctx& ctx, const RingRank& own, const RingShare& share, const RingBlock& block,
               const RingShare& theirs, float scale, const M& mask, const S& edit) {
  for (index_t i = 0; i < share.pieces; ++i)
    for (index_t j = 0; j < theirs.pieces; ++j) {
      const RingPiece &mine = share.piece[i], &other = theirs.piece[j];
      if (mine.count == 0 || other.count == 0) continue;
      expects(own.q[i].tokens == mine.count && block.k[j].tokens == other.count && block.v[j].tokens == other.count &&
                  own.lse[i] != nullptr && own.part != nullptr && own.part_lse != nullptr,
              "molmo: ring_attention: a rank has the queries, keys and values of its share (RingShare), and memory for "
              "a part");
      const index_t heads = own.q[i].heads;
      const MaskTile tile{mine.begin, mine.begin + mine.count, other.begin, other.begin + other.count, 0, heads};
      if (detail::mask_over(mask, tile) == Sees::none) continue;
      AttentionOperands a;
      a.q = own.q[i], a.k = block.k[j], a.v = block.v[j], a.scale = scale;
      a.out = HeadRows<float>::dense(own.part, mine.count, heads, own.out[i].width);
      a.lse = own.part_lse, a.first_query = mine.begin, a.first_key = other.begin;
      attention(ctx, a, mask, edit);
      combine({own.out[i], own.lse[i]}, {a.out, a.lse});
    }
}

/// All ranks as threads, one backend each: ctx[r] calculates rank r. At step t rank r has the keys of rank r - t.
/// If a rank throws, so does this, when all are done.
template <class Ctx, Mask M, Expr S>
void ring_attention(const std::vector<Ctx>& ctx, const std::vector<RingRank>& ranks, RingLayout layout, index_t tokens,
                    float scale, const M& mask, const S& edit) {
  const auto count = static_cast<index_t>(ranks.size());
  expects(count > 0 && ctx.size() == ranks.size(), "molmo: ring_attention: one backend for each rank");
  std::vector<const RingBlock*> held(ranks.size());  // what each rank holds now; it goes round
  for (std::size_t r = 0; r < ranks.size(); ++r) held[r] = &ranks[r].own;
  std::barrier<> together(count);
  std::vector<std::exception_ptr> errors(ranks.size());
  const auto run = [&](index_t rank) {
    const auto r = static_cast<std::size_t>(rank);
    const RingShare share = RingShare::of(layout, tokens, rank, count);
    for (index_t i = 0; i < share.pieces; ++i) detail::clear_part({ranks[r].out[i], ranks[r].lse[i]});
    for (index_t step = 0; step < count; ++step) {
      const index_t source = (rank - step + count) % count;
      const RingBlock* const next = held[r];
#if MOLMO_EXCEPTIONS
      try {
        if (!errors[r])
          ring_step(ctx[r], ranks[r], share, *next, RingShare::of(layout, tokens, source, count), scale, mask, edit);
      } catch (...) {
        errors[r] = std::current_exception();
      }
#else
      ring_step(ctx[r], ranks[r], share, *next, RingShare::of(layout, tokens, source, count), scale, mask, edit);
#endif
      together.arrive_and_wait();  // everybody has read what it holds
      held[static_cast<std::size_t>((rank + 1) % count)] = next;
      together.arrive_and_wait();  // everybody has received
    }
  };
  std::vector<std::thread> threads;
  for (index_t r = 1; r < count; ++r) threads.emplace_back(run, r);
  run(0);
  for (std::thread& t : threads) t.join();
#if MOLMO_EXCEPTIONS
  for (const std::exception_ptr& e : errors)
    if (e) std::rethrow_exception(e);
#endif
}
template <class Ctx, Mask M>
void ring_attention(const std::vector<Ctx>& ctx, const std::vector<RingRank>& ranks, RingLayout layout, index_t tokens,
                    float scale, const M& mask) {
  ring_attention(ctx, ranks, layout, tokens, scale, mask, score);
}

}  // namespace molmo::inline v0
