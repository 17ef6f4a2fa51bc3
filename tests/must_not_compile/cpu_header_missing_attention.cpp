// SPDX-License-Identifier: Apache-2.0
// Xsimd with the headers of all its loops but one.
// needs: xsimd
// expect: molmo: Xsimd has a fast attention in <molmo/ops/attention/cpu.hpp>, which is not included; include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>
#include <molmo/ops/matmul/cpu.hpp>
#include <molmo/ops/rope/cpu.hpp>
#ifndef MOLMO_MISTAKE
#include <molmo/ops/attention/cpu.hpp>
#endif

void attend(const molmo::Xsimd<>& cpu, const molmo::AttentionRows& rows) { attention(cpu, rows); }
