// SPDX-License-Identifier: Apache-2.0
// The fast CPU path with large f32 products by oneDNN: OneDnn, and everything of cpu.hpp. Needs xsimd and oneDNN.
#pragma once

#include <molmo/backend/onednn.hpp>
#include <molmo/cpu.hpp>
#include <molmo/ops/matmul/onednn.hpp>
