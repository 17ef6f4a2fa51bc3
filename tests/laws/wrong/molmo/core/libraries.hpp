// SPDX-License-Identifier: Apache-2.0
// A header that breaks the law on purpose: libraries in the wrong places.
#pragma once

#include <Eigen/Core>
#include <boost/any.hpp>
#include <cuda_runtime.h>
#include <dnnl.hpp>
#include <iostream>
#include <molmo/core/missing.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>
#include <xsimd/xsimd.hpp>
#include "up.hpp"
