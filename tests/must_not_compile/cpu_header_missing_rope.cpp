// SPDX-License-Identifier: Apache-2.0
// Xsimd without the header of its rotation.
// needs: xsimd
// expect: molmo: Xsimd has a fast rope in <molmo/ops/rope/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/backend/xsimd.hpp>
#include <molmo/ops/rope/rope.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/cpu.hpp>
#endif

void turn(const molmo::Xsimd<>& cpu, const molmo::RopeHeads& heads) { rope(cpu, heads); }
