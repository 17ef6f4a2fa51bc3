// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: the speed door of another room.
#pragma once

#include <molmo/ops/matmul/cpu.hpp>
