// SPDX-License-Identifier: Apache-2.0
// Does a width that the compiler knows make a kernel faster? Each kernel below is written once, as a template of its
// width, and compiled twice: with a constant, and with a number that it gets when called. One row a call, as in
// decoding, where a known width helps most; for many rows the difference only shrinks. The two are timed in turn.
//
//   norm       y = x rsqrt(mean(x^2) + eps) w               width = d_model
//   rope       the heads of one token, rotated              width = head_dim
//   swiglu     y = silu(gate) up                            width = 4 d_model
//   pointwise  y = x + r, and no exp that hides the loop    width = d_model
//   matmul     y = x w^T, w being d_model x d_model         width = d_model
#include "common.hpp"

#include <molmo/backend/dot_rows.hpp>
#include <molmo/expr/functions.hpp>

#include <cmath>

using namespace molmo;
using namespace bench;

namespace {

using V = Lanes<>;

/// A width that is part of the type.
template <index_t N>
struct Known {
  constexpr operator index_t() const { return N; }
};

struct Operands {
  const float *x, *w, *r;
  float* y;
  index_t heads;
};

// The loops of the library with the width as a template: registers, then a tail.
struct Norm {
  template <class W>
  [[gnu::noinline]] static void run(W width, const Operands& a) {
    V sum[4] = {V::broadcast(0), V::broadcast(0), V::broadcast(0), V::broadcast(0)};
    index_t c = 0;
    for (; c + 4 * V::size <= width; c += 4 * V::size) {
      MOLMO_UNROLL
      for (int i = 0; i < 4; ++i) {
        const V x = V::load(a.x + c + i * V::size);
        sum[i] = fma(x, x, sum[i]);
      }
    }
    for (; c + V::size <= width; c += V::size) {
      const V x = V::load(a.x + c);
      sum[0] = fma(x, x, sum[0]);
    }
    float total = reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (; c < width; ++c) total += a.x[c] * a.x[c];
    const float scale = 1.0f / std::sqrt(total / static_cast<float>(index_t{width}) + 1e-5f);
    const V s = V::broadcast(scale);
    for (c = 0; c + V::size <= width; c += V::size) (V::load(a.x + c) * s * V::load(a.w + c)).store(a.y + c);
    if (c < width) {
      const int count = static_cast<int>(width - c);
      (V::load(a.x + c, count) * s * V::load(a.w + c, count)).store(a.y + c, count);
    }
  }
};
struct Rope {
  template <class W>
  [[gnu::noinline]] static void run(W width, const Operands& a) {
    const index_t half = width / 2;
    for (index_t h = 0; h < a.heads; ++h) {
      const float* x = a.x + h * width;
      float* y = a.y + h * width;
      index_t i = 0;
      for (; i + V::size <= half; i += V::size) {
        const V c = V::load(a.w + i), s = V::load(a.r + i), low = V::load(x + i), high = V::load(x + half + i);
        (low * c - high * s).store(y + i);
        (high * c + low * s).store(y + half + i);
      }
      if (i < half) {
        const int count = static_cast<int>(half - i);
        const V c = V::load(a.w + i, count), s = V::load(a.r + i, count), low = V::load(x + i, count),
                high = V::load(x + half + i, count);
        (low * c - high * s).store(y + i, count);
        (high * c + low * s).store(y + half + i, count);
      }
    }
  }
};
template <class F>
struct Pass {
  template <class W>
  [[gnu::noinline]] static void run(W width, const Operands& a) {
    index_t c = 0;
    for (; c + V::size <= width; c += V::size) F::of(V::load(a.x + c), V::load(a.r + c)).store(a.y + c);
    if (c < width) {
      const int count = static_cast<int>(width - c);
      F::of(V::load(a.x + c, count), V::load(a.r + c, count)).store(a.y + c, count);
    }
  }
};
struct Swiglu {
  static V of(V gate, V up) { return detail::silu_f{}(gate)*up; }
};
struct Add {
  static V of(V x, V r) { return x + r; }
};
struct Matmul {
  template <class W>
  [[gnu::noinline]] static void run(W width, const Operands& a) {
    for (index_t n = 0; n + 8 <= width; n += 8)
      detail::dot_rows<V, 8, 1>(a.w + n * width, width, a.x, 0, width, a.y + n);
  }
};

template <class Kernel, index_t Width>
void compare(Report& report, const char* name, index_t d_model, const Operands& a, int batches) {
  const auto known = [&] {
    Kernel::run(Known<Width>{}, a);
    keep(a.y);
  };
  index_t width = Width;
  const auto asked = [&] {
    keep(width);
    Kernel::run(width, a);
    keep(a.y);
  };
  TimingOptions options;
  options.batches = batches;
  options.batch_seconds = 0.0002;
  const auto [s, r] = time_in_turn(options, known, asked);
  report.row({word("kernel   ", name), number("d_model", static_cast<double>(d_model), 0),
              number("width", static_cast<double>(Width), 0), number("ns, static", s.median * 1e9),
              number("fastest", s.min * 1e9), number("ns, run-time", r.median * 1e9), number("fastest ", r.min * 1e9),
              number("run-time / static", r.median / s.median, 2), number("of the fastest", r.min / s.min, 2)});
}

template <index_t D, index_t HeadDim>
void compare_all(Report& report, const Operands& a, int batches) {
  Operands heads = a;
  heads.heads = D / HeadDim;
  compare<Norm, D>(report, "norm", D, a, batches);
  compare<Rope, HeadDim>(report, "rope", D, heads, batches);
  compare<Pass<Swiglu>, 4 * D>(report, "swiglu", D, a, batches);
  compare<Pass<Add>, D>(report, "pointwise", D, a, batches);
  compare<Matmul, D>(report, "matmul", D, a, batches);
}

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv,
                  "Kernels with a width known to the compiler against the same kernels with a run-time width.\n");
  const int batches = static_cast<int>(options.get("--batches", 501, "measurements of which the median is taken"));
  const bool json = options.flag("--json", "a JSON array instead of a table");
  options.done();

  const PinThreads pin(Xsimd<>{});
  const index_t most = 2048 * 2048;
  Tensor<float, dyn, 1> x(8192), w(most), r(8192), y(8192);
  for (index_t i = 0; i < most; ++i) w[i] = static_cast<float>(i % 127) / 64.0f - 1.0f;
  for (index_t i = 0; i < 8192; ++i)
    x[i] = static_cast<float>(i % 61) / 31.0f - 1.0f, r[i] = static_cast<float>(i % 31) / 16.0f;
  const Operands a{x.data(), w.data(), r.data(), y.data(), 1};
  Report report(json);
  report.title("Static against run-time width, one row a call, 1 thread");
  compare_all<64, 8>(report, a, batches);
  compare_all<288, 48>(report, a, batches);
  compare_all<2048, 128>(report, a, batches);
}
