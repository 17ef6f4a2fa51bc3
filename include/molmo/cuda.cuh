// SPDX-License-Identifier: Apache-2.0
// Everything of molmo that runs on a GPU, in one include, for .cu files: the backend and each room's GPU door. Host
// code includes molmo/molmo.hpp instead; this header includes what of it needs no third-party library. GPU_UNVERIFIED:
// compiled, never run (see gpu_unverified in backend/cuda.cuh).
#pragma once

#include <molmo/backend/cuda.cuh>
#include <molmo/backend/cuda_row_reduce.cuh>
