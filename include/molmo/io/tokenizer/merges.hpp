// SPDX-License-Identifier: Apache-2.0
// Merges: the ranked pairs of a byte-pair encoding, and merge_symbols(), which applies them.
//
//   while some adjacent pair has a rank: replace the pair of the lowest rank (the leftmost of equals) by its product
// Short pieces are merged by scanning the ranks, long ones with a heap and a linked list in O(n log n); both give exactly what
// the loop above gives (Sennrich et al. 2016; the tie rule is that of Hugging Face tokenizers).
#pragma once

#include <molmo/io/tokenizer/vocabulary.hpp>

#include <algorithm>
#include <bit>
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
  void reserve(std::size_t n) { slots_.resize(std::bit_ceil(n + n / 2 + 1024)); }

  /// The pair (left, right) becomes `product`; its rank is the number of add() calls before. A pair given again moves to the
  /// later rank. Error: the pairs were chosen to collide in the hash table.
  [[nodiscard]] status add(Id left, Id right, Id product) {
    if (3 * (used_ + 1) > 2 * slots_.size()) {
      std::vector<Slot> old(slots_.empty() ? 1024 : 2 * slots_.size());
      old.swap(slots_);
      for (const Slot& s : old)
        if (s.left != no_id && !place(s)) return collisions();
    }
    if (!place({left, right, {next_rank_++, product}})) return collisions();
    return {};
  }

  [[nodiscard]] Product find(Id left, Id right) const {
    if (slots_.empty()) return {};
    for (std::size_t i = first_slot(left, right);; i = (i + 1) & (slots_.size() - 1)) {
      const Slot& s = slots_[i];
      if (s.left == left && s.right == right) return s.product;
      if (s.left == no_id) return {};
    }
  }
  /// The number of add() calls.
  [[nodiscard]] std::size_t size() const { return next_rank_; }

 private:
  struct Slot {
    Id left = no_id, right = no_id;
    Product product;
  };

  [[nodiscard]] std::size_t first_slot(Id left, Id right) const {
    const auto key =
        static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    return mix(key) & (slots_.size() - 1);
  }
  [[nodiscard]] bool place(const Slot& s) {
    std::size_t i = first_slot(s.left, s.right);
    for (std::size_t probes = 0; slots_[i].left != no_id; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].left == s.left && slots_[i].right == s.right) {
        slots_[i].product = s.product;
        return true;
      }
      if (++probes > longest_probe) return false;
    }
    slots_[i] = s;
    ++used_;
    return true;
  }
  [[nodiscard]] static failure collisions() {
    return fail(errc::format, "the merges were chosen to collide in the hash table");
  }

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
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
