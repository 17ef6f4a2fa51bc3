// SPDX-License-Identifier: Apache-2.0
// The fast CPU path: Xsimd and every op's fast loop. Needs xsimd (and nothing else).
#pragma once

#include <molmo/backend/xsimd.hpp>
#include <molmo/backend/xsimd_argmax.hpp>
#include <molmo/backend/xsimd_gradient.hpp>
#include <molmo/backend/xsimd_rows.hpp>
#include <molmo/backend/xsimd_tokens.hpp>
#include <molmo/ops/attention/cpu.hpp>
#include <molmo/ops/attention/cpu_masked.hpp>
#include <molmo/ops/layer_norm/cpu.hpp>
#include <molmo/ops/matmul/cpu.hpp>
#include <molmo/ops/rms_norm/cpu.hpp>
#include <molmo/ops/rope/cpu.hpp>
#include <molmo/ops/softmax/cpu.hpp>
