// SPDX-License-Identifier: Apache-2.0
// The version of the library, read by CMake too: the one place where it stands.
#pragma once

#define MOLMO_VERSION_MAJOR 0
#define MOLMO_VERSION_MINOR 1
#define MOLMO_VERSION_PATCH 0

namespace molmo::inline v0 {

/// The version as numbers; the inline namespace `v0` lets two versions live in one program.
struct Version {
  int major, minor, patch;
};

inline constexpr Version version{MOLMO_VERSION_MAJOR, MOLMO_VERSION_MINOR, MOLMO_VERSION_PATCH};

}  // namespace molmo::inline v0
