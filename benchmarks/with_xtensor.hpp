// SPDX-License-Identifier: Apache-2.0
// xtensor where the machine has it: HAVE_XTENSOR. Not every benchmark that can use a peer should need it.
#pragma once

#if __has_include(<xtensor/xtensor.hpp>) && __has_include(<xtl/xtl_config.hpp>)
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xtensor.hpp>
#define HAVE_XTENSOR 1
#endif
