// SPDX-License-Identifier: Apache-2.0
// Reference: the calling thread and plain loops. Every op has its meaning written for it; every other backend derives
// from it, so that what a backend does not do itself falls back to these loops. They are the oracle of the tests.
#pragma once

#include <molmo/core/view.hpp>

namespace molmo::inline v0::inline MOLMO_ISA {

/// The calling thread. Small and copyable, like every backend.
struct Reference {
  static constexpr const char* name = "reference";
  using memory = Host;  ///< where the operands and targets of this backend lie

  /// Workers that parallel() may use, the caller included.
  [[nodiscard]] static constexpr int threads() { return 1; }

  /// Calls body(part, parts) for part = 0 ... parts - 1, where parts <= threads(); returns when all are done.
  template <class Body>
  void parallel(Body&& body) const {
    body(0, 1);
  }
};

/// Allocates now what the ops of this backend would allocate when they are first called: make_session() asks for it.
inline void prepare(const Reference&) {}

/// What a backend derives from whose fast loops stand in headers of their own, as those of Xsimd do in
/// ops/<op>/cpu.hpp. An op that has such a loop has an overload for FastCpu beside the plain one, and that does not
/// compile: were it not for this, a header that was left out would run the plain loops without a word. With the header,
/// its overload is nearer. An op without a fast loop has no such overload and runs the plain one.
struct FastCpu : Reference {};

/// Part `part` of `parts` of [0, n), in multiples of `grain`: the static partition that keeps results the same for any
/// number of threads, because an element never depends on who computes it.
struct Range {
  index_t begin, end;
};
[[nodiscard]] constexpr Range split(index_t n, int part, int parts, index_t grain = 1) {
  const index_t blocks = (n + grain - 1) / grain;
  const index_t each = blocks / parts;
  const index_t extra = blocks % parts;
  const index_t first = part * each + (part < extra ? part : extra);
  const index_t last = first + each + (part < extra ? 1 : 0);
  const index_t begin = first * grain;
  const index_t end = last * grain;
  return {begin < n ? begin : n, end < n ? end : n};
}

}  // namespace molmo::inline v0::inline MOLMO_ISA

namespace molmo::inline v0::detail {

// False, but not before a template is instantiated.
template <class...>
inline constexpr bool never = false;

}  // namespace molmo::inline v0::detail
