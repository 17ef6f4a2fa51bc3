// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: a meaning door that opens a speed door.
#pragma once

#include <molmo/ops/norm/cpu.hpp>
