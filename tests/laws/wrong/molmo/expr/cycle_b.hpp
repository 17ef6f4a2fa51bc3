// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: a cycle.
#pragma once

#include <molmo/expr/cycle_a.hpp>
