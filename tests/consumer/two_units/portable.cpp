// SPDX-License-Identifier: Apache-2.0
// Compiled for the instruction set that every machine of this kind has.
#include "unit.hpp"

Work portable() { return calculate(); }
