// SPDX-License-Identifier: Apache-2.0
// result<T>: a value or an error that says what is wrong, where, and what to do.
//
// Everything that can fail at run time returns one; nothing aborts, prints or sets a global. If you prefer
// exceptions, write or_throw(load(...)), which exists only where they are enabled. status = result<void>.
#pragma once

#include <molmo/core/platform.hpp>
#include <molmo/core/text.hpp>

#include <new>
#include <string>
#include <type_traits>
#include <utility>
#if MOLMO_EXCEPTIONS
#include <stdexcept>
#endif

namespace molmo::inline v0 {

/// What kind of failure; the message of `error` says the rest.
enum class errc {
  invalid_argument,  ///< an option or a size that the caller passed
  not_found,         ///< a file, tensor or name that is not there
  io,                ///< the system refused to open, read or map
  format,            ///< a file that is not what it claims to be
  mismatch,          ///< a checkpoint that does not fit the model type
  unsupported,       ///< valid, but nothing here can run it
  out_of_memory,     ///< an allocation failed
  context_full,      ///< no room left in the KV cache
  empty_prompt,      ///< nothing to continue
  invalid_logits,    ///< NaN among the logits
  cancelled,         ///< the caller asked to stop
  device,            ///< a GPU or its driver refused
};

/// A failure: its kind and one clear sentence.
struct error {
  errc code = errc::invalid_argument;
  std::string message;
};

/// An error under construction; converts to any result<T>.
struct failure {
  error what;
};

/// Out of line: every caller has a message to build, and none is in a hurry.
[[nodiscard]] MOLMO_NOINLINE inline failure fail(errc code, std::string message) {
  return {{code, std::move(message)}};
}
[[nodiscard]] inline failure fail(error e) { return {std::move(e)}; }

/// A T or an error. Test with `if (r)`; `*r` and `->` need a value, `r.error()` needs a failure.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;

  result(T value) : value_(std::move(value)), ok_(true) {}
  result(failure f) : error_(std::move(f.what)), ok_(false) {}
  result(const result& other) : ok_(other.ok_) { construct(other); }
  result(result&& other) noexcept : ok_(other.ok_) { construct(std::move(other)); }
  result& operator=(result other) noexcept {
    destroy();
    ok_ = other.ok_;
    construct(std::move(other));
    return *this;
  }
  ~result() { destroy(); }

  [[nodiscard]] bool has_value() const { return ok_; }
  [[nodiscard]] explicit operator bool() const { return ok_; }
  [[nodiscard]] T& operator*() & MOLMO_LIFETIMEBOUND { return value_; }
  [[nodiscard]] const T& operator*() const& MOLMO_LIFETIMEBOUND { return value_; }
  [[nodiscard]] T&& operator*() && MOLMO_LIFETIMEBOUND { return std::move(value_); }
  [[nodiscard]] T* operator->() MOLMO_LIFETIMEBOUND { return &value_; }
  [[nodiscard]] const T* operator->() const MOLMO_LIFETIMEBOUND { return &value_; }
  [[nodiscard]] const molmo::error& error() const MOLMO_LIFETIMEBOUND { return error_; }

 private:
  template <class Other>
  void construct(Other&& other) {
    if (ok_)
      ::new (static_cast<void*>(&value_)) T(std::forward<Other>(other).value_);
    else
      ::new (static_cast<void*>(&error_)) molmo::error(std::forward<Other>(other).error_);
  }
  void destroy() {
    if (ok_)
      value_.~T();
    else
      error_.~error();
  }

  union {
    T value_;
    molmo::error error_;
  };
  bool ok_;
};

/// Success, or an error.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;

  result() = default;
  result(failure f) : error_(std::move(f.what)), ok_(false) {}

  [[nodiscard]] bool has_value() const { return ok_; }
  [[nodiscard]] explicit operator bool() const { return ok_; }
  [[nodiscard]] const molmo::error& error() const MOLMO_LIFETIMEBOUND { return error_; }

 private:
  molmo::error error_;
  bool ok_ = true;
};

using status = result<void>;

#if MOLMO_EXCEPTIONS
/// The exception of or_throw(); carries the code beside the message.
struct exception : std::runtime_error {
  explicit exception(const molmo::error& e) : std::runtime_error(e.message), code(e.code) {}
  errc code;
};

/// The value, or an exception with the same message.
template <class T>
T or_throw(result<T> r) {
  if (!r) throw exception(r.error());
  if constexpr (!std::is_void_v<T>) return std::move(*r);
}
#endif

}  // namespace molmo::inline v0
