// SPDX-License-Identifier: Apache-2.0
// EigenCpu: Eigen's matrix products, and views of Eigen matrices. Needs Eigen.
#pragma once

#include <molmo/backend/eigen.hpp>
#include <molmo/ops/matmul/eigen.hpp>
