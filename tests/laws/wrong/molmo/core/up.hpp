// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: it includes up, and a format.
#pragma once

#include <molmo/expr/cycle_a.hpp>
#include <molmo/formats/f.hpp>
