// SPDX-License-Identifier: Apache-2.0
// Approx under one name: Catch2 2.13 has it in the global namespace, 3.x in its own.
#pragma once

#include "support/catch.hpp"

#if __has_include(<catch2/catch_all.hpp>)
using Catch::Approx;
#endif
