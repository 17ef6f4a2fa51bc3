// SPDX-License-Identifier: Apache-2.0
// without_bad_alloc(doing, f): where std::bad_alloc ends and errc::out_of_memory begins.
//
//   return without_bad_alloc("loading a model", [&]() -> result<Model> { ... });
// The entries of the library stand in one: loading, reading, encoding, sessions, text, quantising; nothing that runs
// per element does. What f had begun is undone by its destructors. Other exceptions, those of a caller's sink say, pass
// through. Without exceptions this is f(), and the standard library ends a program that has no memory.
#pragma once

#include <molmo/core/result.hpp>

#include <new>

namespace molmo::inline v0 {
namespace detail {

/// errc::out_of_memory. The short message needs no memory.
[[nodiscard]] MOLMO_NOINLINE inline failure no_memory(const char* doing) {
#if MOLMO_EXCEPTIONS
  try {
    return fail(errc::out_of_memory, text("out of memory while ", doing, "; nothing of it was kept"));
  } catch (const std::bad_alloc&) {
  }
#endif
  static_cast<void>(doing);
  return {{errc::out_of_memory, "out of memory"}};
}

}  // namespace detail

/// f(), which returns a result; a std::bad_alloc becomes errc::out_of_memory with `doing` in its message.
template <class F>
[[nodiscard]] auto without_bad_alloc(const char* doing, F&& f) -> decltype(f()) {
#if MOLMO_EXCEPTIONS
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return detail::no_memory(doing);
  }
#else
  static_cast<void>(doing);
  return f();
#endif
}

}  // namespace molmo::inline v0
