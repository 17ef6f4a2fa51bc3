// SPDX-License-Identifier: Apache-2.0
// molmo: shapes, expressions, layers and models, and the plain loops that say what they mean. Host code only; includes
// no third-party header. Beside it, as you need them:
//
//   molmo/cpu.hpp        the fast CPU path (xsimd)
//   molmo/onednn.hpp     f32 matmuls by oneDNN
//   molmo/eigen.hpp      Eigen: its matrices as operands, its products as a backend
//   molmo/run.hpp        checkpoints, tokenizers, sessions, text (nlohmann-json)
//   molmo/cuda.cuh       the GPU path, for .cu files
#pragma once

#include <molmo/core/config.hpp>
#include <molmo/core/result.hpp>
#include <molmo/core/tensor.hpp>
#include <molmo/core/views.hpp>
#include <molmo/expr/argmax.hpp>
#include <molmo/expr/assign.hpp>
#include <molmo/expr/cast.hpp>
#include <molmo/expr/concat.hpp>
#include <molmo/expr/cumsum.hpp>
#include <molmo/expr/eval.hpp>
#include <molmo/expr/gather.hpp>
#include <molmo/expr/gradient.hpp>
#include <molmo/expr/position.hpp>
#include <molmo/expr/reduce.hpp>
#include <molmo/expr/remainder.hpp>
#include <molmo/expr/scatter.hpp>
#include <molmo/expr/token_reduce.hpp>
#include <molmo/expr/transpose.hpp>
#include <molmo/expr/where.hpp>
#include <molmo/models/llm.hpp>
#include <molmo/ops/attention/attend.hpp>
#include <molmo/ops/attention/image_masks.hpp>
#include <molmo/ops/attention/sparse_masks.hpp>
#include <molmo/ops/attention/t5_bias.hpp>
#include <molmo/ops/sample/sample.hpp>
#include <molmo/ops/softmax/softmax.hpp>
#include <molmo/version.hpp>
