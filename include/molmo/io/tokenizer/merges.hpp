// SPDX-License-Identifier: Apache-2.0
// Merges: the ranked pairs of a byte-pair encoding, and merge_symbols(), which applies them.
//
//   while some adjacent pair has a rank: replace the pair of the lowest rank (the leftmost of equals) by its product
// Short pieces are merged by scanning the ranks, long ones with a heap and a linked list in O(n log n); both give
// exactly what the loop above gives (Sennrich et al. 2016; the tie rule is that of Hugging Face tokenizers).
#pragma once

#include <molmo/io/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace molmo::inline v0::tokenizer {

class Merges {
 public:
  static constexpr std::uint32_t no_rank = (std::numeric_limits<std::uint32_t>::max)();
  struct Product {
    std::uint32_t rank = no_rank;
    Id id = no_id;
  };

  /// Makes room for about `n` merges, to be called before the first add().
  void reserve(std::size_t n) { slots_.reserve(n + 512); }

  /// The pair (left, right) becomes `product`; its rank is the number of add() calls before. A pair given again moves
  /// to the later rank. Error: no hash table that was tried would do.
  [[nodiscard]] status add(Id left, Id right, Id product) {
    const Product p{next_rank_++, product};
    const auto at = slots_.insert(
        {left, right, p}, [](const Slot& s, const HashSeed& seed) { return seed.of(key(s.left, s.right)); },
        [](const Slot& there, const Slot& s) { return there.left == s.left && there.right == s.right; });
    if (!at.slot) return fail(errc::format, "the merges collide in every hash table that was tried");
    at.slot->product = p;
    return {};
  }

  [[nodiscard]] Product find(Id left, Id right) const {
    const Slot* at = slots_.find(slots_.seed().of(key(left, right)),
                                 [=](const Slot& s) { return s.left == left && s.right == right; });
    return at ? at->product : Product{};
  }
  /// The number of add() calls.
  [[nodiscard]] std::size_t size() const { return next_rank_; }
  /// The largest number of slots that finding a merge takes.
  [[nodiscard]] std::size_t longest_probe() const { return slots_.longest(); }

 private:
  struct Slot {
    Id left = no_id, right = no_id;
    Product product{};
    [[nodiscard]] bool empty() const { return left == no_id; }
    void remember(std::uint64_t) {}
  };

  [[nodiscard]] static std::uint64_t key(Id left, Id right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }

  FlatHash<Slot> slots_;
  std::uint32_t next_rank_ = 0;
};

/// Memory for merge_symbols(), kept between pieces.
struct MergeSpace {
  struct Link {
    Id id;
    std::uint32_t before, after;
  };
  struct Candidate {
    std::uint32_t rank, at;
    Id left, right;  // the pair when it was queued: another pair there now means that the candidate is stale
    Id product;
    friend bool operator<(const Candidate& a, const Candidate& b) {  // for a max-heap: the best is the largest
      return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    }
  };
  std::vector<Merges::Product> pairs;
  std::vector<Link> links;
  std::vector<Candidate> heap;
};

/// Merges by scanning for the lowest rank: n^2 / 2 comparisons at most, and the fastest way for words.
inline void merge_by_scan(const Merges& merges, std::vector<Id>& ids, MergeSpace& space) {
  auto& pairs = space.pairs;  // pairs[i] = what ids[i] and ids[i + 1] become
  pairs.clear();
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) pairs.push_back(merges.find(ids[i], ids[i + 1]));
  while (!pairs.empty()) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < pairs.size(); ++i)
      if (pairs[i].rank < pairs[best].rank) best = i;
    if (pairs[best].rank == Merges::no_rank) return;
    ids[best] = pairs[best].id;
    ids.erase(ids.begin() + static_cast<index_t>(best) + 1);
    pairs.erase(pairs.begin() + static_cast<index_t>(best));
    if (best > 0) pairs[best - 1] = merges.find(ids[best - 1], ids[best]);
    if (best < pairs.size()) pairs[best] = merges.find(ids[best], ids[best + 1]);
  }
}

/// Merges with a heap of candidate pairs over a linked list of symbols. Needs fewer than 2^32 - 1 symbols.
inline void merge_by_heap(const Merges& merges, std::vector<Id>& ids, MergeSpace& space) {
  constexpr auto none = (std::numeric_limits<std::uint32_t>::max)();
  auto& [pairs, links, heap] = space;
  links.clear();
  heap.clear();
  const auto n = static_cast<std::uint32_t>(ids.size());
  for (std::uint32_t i = 0; i < n; ++i) links.push_back({ids[i], i == 0 ? none : i - 1, i + 1 < n ? i + 1 : none});
  const auto candidate = [&](std::uint32_t at) {  // the pair at `at`, where it has a rank
    if (at == none || links[at].after == none) return false;
    const Id left = links[at].id, right = links[links[at].after].id;
    const Merges::Product p = merges.find(left, right);
    if (p.rank != Merges::no_rank) heap.push_back({p.rank, at, left, right, p.id});
    return p.rank != Merges::no_rank;
  };
  for (std::uint32_t i = 0; i + 1 < n; ++i) candidate(i);
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const MergeSpace::Candidate c = heap.back();
    heap.pop_back();
    MergeSpace::Link& left = links[c.at];
    if (left.id != c.left || left.after == none || links[left.after].id != c.right) continue;
    MergeSpace::Link& right = links[left.after];
    left.id = c.product;
    left.after = right.after;
    if (left.after != none) links[left.after].before = c.at;
    right.id = no_id;  // gone: equals no candidate's left
    if (candidate(left.before)) std::push_heap(heap.begin(), heap.end());
    if (candidate(c.at)) std::push_heap(heap.begin(), heap.end());
  }
  ids.clear();
  for (std::uint32_t i = n > 0 ? 0 : none; i != none; i = links[i].after) ids.push_back(links[i].id);
}

/// Applies the merges to a piece's symbols, in place.
inline void merge_symbols(const Merges& merges, std::vector<Id>& ids, MergeSpace& space) {
  constexpr std::size_t longest_scan = 96;  // where the heap begins to win
  if (ids.size() <= longest_scan)
    merge_by_scan(merges, ids, space);
  else
    merge_by_heap(merges, ids, space);
}

}  // namespace molmo::inline v0::tokenizer
