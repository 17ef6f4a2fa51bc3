// SPDX-License-Identifier: Apache-2.0
// LongestMatch: for every place of a text the longest of a set of patterns that begins there, in time linear in the
// text.
//
// Aho-Corasick backwards: the trie holds the patterns from their ends, the text is read from its end, and the state at
// a place is the longest beginning of some reversed pattern, that is, the longest end of a pattern, that stands there.
// Read forwards the same answer takes text * longest pattern steps (a^1000 b in a text of a). Nodes are numbered by
// depth, so that children of a node follow each other: 13 bytes a node, at most one node for each byte of the patterns.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace molmo::inline v0::tokenizer {

class LongestMatch {
 public:
  struct Hit {
    std::uint32_t at;       ///< bytes behind the beginning of the range that was searched
    std::uint32_t pattern;  ///< its number; of equal patterns the first
  };
  static constexpr std::size_t most_nodes = std::size_t{1} << 22;

  /// Takes the patterns, none of them empty. False: they need more than most_nodes nodes.
  [[nodiscard]] bool build(const std::vector<std::string_view>& patterns) {
    *this = {};
    std::vector<std::string> reversed;
    reversed.reserve(patterns.size());
    for (const std::string_view p : patterns) reversed.emplace_back(p.rbegin(), p.rend());
    std::vector<std::uint32_t> order(patterns.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return reversed[a] < reversed[b]; });
    std::size_t nodes = 1;
    std::string_view before;
    for (const std::uint32_t n : order) {
      const std::string& p = reversed[n];
      const auto shared = std::mismatch(p.begin(), p.end(), before.begin(), before.end()).first - p.begin();
      nodes += p.size() - static_cast<std::size_t>(shared);
      longest_ = (std::max)(longest_, p.size());
      before = p;
    }
    if (nodes > most_nodes) return false;
    for (auto* v : {&children_, &fail_, &hit_}) v->reserve(nodes + 1);
    label_.reserve(nodes);
    grow(reversed, order);
    return true;
  }
  [[nodiscard]] bool empty() const { return longest_ == 0; }

  /// Appends the hits at the places [from, to) of `text`, the last place first. A range is at most 4 GiB.
  void find(std::string_view text, std::size_t from, std::size_t to, std::vector<Hit>& hits) const {
    std::uint32_t state = 0;
    for (std::size_t i = (std::min)(text.size(), to + longest_ - 1); i-- > from;) {
      const auto byte = static_cast<unsigned char>(text[i]);
      state = state == 0 ? first_[byte] : step(state, byte);
      if (state != 0 && hit_[state] != 0 && i < to)
        hits.push_back({static_cast<std::uint32_t>(i - from), hit_[state] - 1});
    }
  }

 private:
  /// The child of a node, or 0.
  [[nodiscard]] std::uint32_t child(std::uint32_t node, unsigned char byte) const {
    const auto begin = label_.begin() + children_[node], end = label_.begin() + children_[node + 1];
    const auto at = std::lower_bound(begin, end, byte);
    return at != end && *at == byte ? static_cast<std::uint32_t>(at - label_.begin()) : 0;
  }
  [[nodiscard]] std::uint32_t step(std::uint32_t state, unsigned char byte) const {
    for (; state != 0; state = fail_[state])
      if (const std::uint32_t next = child(state, byte)) return next;
    return first_[byte];
  }

  /// Makes the nodes, level by level: a node is the range of sorted patterns that begin alike.
  void grow(const std::vector<std::string>& reversed, const std::vector<std::uint32_t>& order) {
    using Range = std::pair<std::uint32_t, std::uint32_t>;
    std::vector<Range> level{{0u, static_cast<std::uint32_t>(order.size())}}, next;
    label_.assign(1, 0);
    fail_.assign(1, 0);
    hit_.assign(1, 0);
    std::uint32_t node = 0;
    for (std::size_t depth = 0; !level.empty(); ++depth, std::swap(level, next), next.clear()) {
      for (auto [from, to] : level) {
        while (from < to && reversed[order[from]].size() == depth) ++from;
        children_.push_back(static_cast<std::uint32_t>(label_.size()));
        while (from < to) {
          const auto byte = static_cast<unsigned char>(reversed[order[from]][depth]);
          const std::uint32_t begin = from;
          while (from < to && static_cast<unsigned char>(reversed[order[from]][depth]) == byte) ++from;
          next.emplace_back(begin, from);
          const std::uint32_t behind = depth == 0 ? 0 : step(fail_[node], byte);
          if (depth == 0) first_[byte] = static_cast<std::uint32_t>(label_.size());
          label_.push_back(byte);
          fail_.push_back(behind);
          hit_.push_back(reversed[order[begin]].size() == depth + 1 ? order[begin] + 1 : hit_[behind]);
        }
        ++node;
      }
    }
    children_.push_back(static_cast<std::uint32_t>(label_.size()));
  }

  std::vector<std::uint8_t> label_;      // of a node: the byte that leads to it
  std::vector<std::uint32_t> children_;  // the first child; the next node's first child ends them
  std::vector<std::uint32_t> fail_;      // the node of the longest shorter end
  std::vector<std::uint32_t> hit_;       // the longest pattern that begins here, + 1; or 0
  std::array<std::uint32_t, 256> first_{};  // the root's children by byte
  std::size_t longest_ = 0;
};

}  // namespace molmo::inline v0::tokenizer
