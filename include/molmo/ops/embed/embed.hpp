// SPDX-License-Identifier: Apache-2.0
// Embedding: y[t] = E[id(t)], decoded to float. Ids at or above the rows of E index a second matrix, the extra rows
// that are input only (Molmo's new_embedding). Bound by bytes, so there is one version for all CPUs.
#pragma once

#include <molmo/backend/reference.hpp>
#include <molmo/formats/panels.hpp>

#include <cstdint>

namespace molmo::inline v0 {

/// y[t] = row ids[t] of [table; extra]. The caller has checked that every id is inside.
inline void embed(const Reference&, const std::int32_t* ids, index_t tokens, const WeightMatrix& table,
                  const WeightMatrix& extra, float* y) {
  for (index_t t = 0; t < tokens; ++t) {
    const bool inside = ids[t] < table.rows;
    const WeightMatrix& m = inside ? table : extra;
    const index_t row = inside ? ids[t] : ids[t] - table.rows;
    read_row(m, row, y + t * table.cols);
  }
}

}  // namespace molmo::inline v0
