// SPDX-License-Identifier: Apache-2.0
// What happens when a caller breaks a precondition that the types could not check: two operands have different numbers
// of tokens, or an output overlaps an operand at another index.
//
// Such a call throws contract_error before anything is written. Without exceptions it traps: there is no value that
// the expression could return. Sessions, loaders and tools check their input and never get here.
#pragma once

#include <molmo/core/platform.hpp>

#if MOLMO_EXCEPTIONS
#include <stdexcept>
#endif

namespace molmo::inline v0 {

#if MOLMO_EXCEPTIONS
/// A broken precondition of the expression layer; what() says which.
struct contract_error : std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] inline void broken_contract(const char* what) { throw contract_error(what); }
#else
[[noreturn]] inline void broken_contract(const char*) { __builtin_trap(); }
#endif

/// Checks a precondition; costs one predictable branch.
inline void expects(bool holds, const char* what) {
  if (!holds) [[unlikely]]
    broken_contract(what);
}

}  // namespace molmo::inline v0
