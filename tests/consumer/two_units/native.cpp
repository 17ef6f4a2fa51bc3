// SPDX-License-Identifier: Apache-2.0
// Compiled for the machine at hand.
#include "unit.hpp"

Work native() { return calculate(); }
