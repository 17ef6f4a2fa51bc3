// SPDX-License-Identifier: Apache-2.0
// Conditions, where, integers, casts and positions on the GPU: bit for bit what the plain loops give. Needs a GPU.
#include <molmo/cuda.cuh>
#include <molmo/expr/cast.hpp>
#include <molmo/expr/position.hpp>
#include <molmo/expr/remainder.hpp>

#include "expr/fixtures.hpp"
#include "support/approx.hpp"

using namespace molmo;
using fixtures::Numbers;

namespace {

// A copy on the GPU.
template <class T>
class OnDevice {
 public:
  OnDevice(const Cuda& cuda, Numbers<T>& host) : tensor_(or_throw(DeviceTensor<T, dyn>::make(host.size()))) {
    or_throw(copy(cuda, tensor_.view(), host.tokens()));
  }
  [[nodiscard]] View<T, Shape<dyn>, Device> view() { return tensor_.view(); }
  [[nodiscard]] Numbers<T> back(const Cuda& cuda) {
    Numbers<T> host(tensor_.view().size());
    or_throw(copy(cuda, host.tokens(), tensor_.view()));
    or_throw(cuda.synchronize());
    return host;
  }

 private:
  DeviceTensor<T, dyn> tensor_;
};

// The same elements as rows of D.
template <index_t D, class T, class Memory>
View<T, Shape<dyn, D>, Memory> rows_of(View<T, Shape<dyn>, Memory> v) {
  return {v.data, v.size() / D};
}

// The statements under test, for the CPU and the GPU.
template <class Ctx, class X, class F, class N, class I, class W, class Y>
void run_all(const Ctx& ctx, X x, F flags, N narrow, I ids, W whole, Y y, Y z) {
  on(ctx, y) = where(column_index <= row_index && flags, x, -1);
  on(ctx, whole) = ids * 1'000'000'007 + column_index % 7 - cast<std::int32_t>(x);
  on(ctx, narrow) = where(x > 0.5 || ids == 3, narrow, 2);
  on(ctx, flags) = x != x || !flags;
  on(ctx, z) = cast<float>(ids % 64) + cast<float>(one_hot(ids));
}

// 64 columns are whole packs, 61 are not.
template <index_t D>
void check_all(const Cuda& cuda, index_t rows) {
  Numbers<float> x(rows * D, 1), y(rows * D), z(rows * D);
  Numbers<bf16> narrow(rows * D, 2);
  Numbers<bool> flags(rows * D);
  Numbers<std::int32_t> ids(rows);
  Numbers<std::int64_t> whole(rows * D);
  for (index_t i = 0; i < flags.size(); ++i) flags[i] = i % 3 == 0;
  for (index_t t = 0; t < rows; ++t) ids[t] = static_cast<std::int32_t>((t % 100 << 24) + t % 5);
  OnDevice<float> dx(cuda, x), dy(cuda, y), dz(cuda, z);
  OnDevice<bf16> dnarrow(cuda, narrow);
  OnDevice<bool> dflags(cuda, flags);
  OnDevice<std::int32_t> dids(cuda, ids);
  OnDevice<std::int64_t> dwhole(cuda, whole);
  run_all(Reference{}, rows_of<D>(x.tokens()), rows_of<D>(flags.tokens()), rows_of<D>(narrow.tokens()), ids.tokens(),
          rows_of<D>(whole.tokens()), rows_of<D>(y.tokens()), rows_of<D>(z.tokens()));
  run_all(cuda, rows_of<D>(dx.view()), rows_of<D>(dflags.view()), rows_of<D>(dnarrow.view()), dids.view(),
          rows_of<D>(dwhole.view()), rows_of<D>(dy.view()), rows_of<D>(dz.view()));
  CHECK(dy.back(cuda).same_bits(y));
  CHECK(dwhole.back(cuda).same_bits(whole));
  CHECK(dnarrow.back(cuda).same_bits(narrow));
  CHECK(dflags.back(cuda).same_bits(flags));
  CHECK(dz.back(cuda).same_bits(z));
}

}  // namespace

TEST_CASE("conditions and integers on the GPU are those of the plain loops") {
  const Cuda cuda = or_throw(Cuda::make());
  for (const index_t rows : {1, 5, 700}) {
    check_all<64>(cuda, rows);
    check_all<61>(cuda, rows);
  }
}
