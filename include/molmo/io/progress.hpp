// SPDX-License-Identifier: Apache-2.0
// ProgressSink: to watch a long load, pass a callable bool(const Progress&) that may return false to cancel it.
//
//   auto bar = [](const molmo::Progress& p) { draw(p.done, p.total); return true; };
//   Checkpoint::open(dir, {.progress = bar});
// It borrows the callable (an lvalue, so it outlives the call) and costs one indirect call per report.
#pragma once

#include <molmo/core/platform.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

namespace molmo::inline v0 {

/// How far a piece of work has come; `done` and `total` count bytes.
struct Progress {
  std::string_view what;  ///< what is being worked on: a file name
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

/// A borrowed callable, or nothing.
class ProgressSink {
 public:
  ProgressSink() = default;
  template <class F>
  requires(!std::same_as<std::remove_const_t<F>, ProgressSink> && std::is_invocable_r_v<bool, F&, const Progress&>)
      ProgressSink(F& f MOLMO_LIFETIMEBOUND)
      : callable_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* self, const Progress& p) -> bool { return (*static_cast<F*>(self))(p); }) {}

  /// True: go on. Nobody watching means go on.
  bool report(const Progress& p) const { return !call_ || call_(callable_, p); }

 private:
  void* callable_ = nullptr;
  bool (*call_)(void*, const Progress&) = nullptr;
};

}  // namespace molmo::inline v0
