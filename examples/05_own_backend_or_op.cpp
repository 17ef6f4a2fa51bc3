// SPDX-License-Identifier: Apache-2.0
// 05  Three ways to put something of your own in: a function, the threads, and a backend that does one op itself.
#include <molmo/cpu.hpp>
#include <molmo/molmo.hpp>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace mine {

using namespace molmo;

// 1. A function of your own, made of those that are there. So it runs in SIMD registers, on single numbers and in the
//    epilogue of a product, always within one pass. leaf() borrows the operand, and refuses one that is about to die.
template <Operand X>
auto hard_swish(X&& operand) {
  const auto x = leaf(std::forward<X>(operand));
  return x * clamp(x + 3.0f, 0, 6) / 6.0f;
}

// 2. Threads. A program with a job system of its own lends it to the library; this one starts threads for each step.
class Jobs final : public Executor {
 public:
  explicit Jobs(int threads) : threads_(threads) {}
  int threads() const noexcept override { return threads_; }
  void run(Body body, void* data) noexcept override {
    std::vector<std::jthread> helpers;
    for (int part = 1; part < threads_; ++part) helpers.emplace_back(body, data, part, threads_);
    body(data, 0, threads_);
    ++steps;
  }  // the helpers are joined here

  int steps = 0;

 private:
  int threads_;
};

// 3. A backend. It derives from the backend that does the rest, and overloads the ops that it does itself: here the
//    matrix product, which is counted and then left to Xsimd.
struct Counting : Xsimd<> {
  using Xsimd::Xsimd;
  std::shared_ptr<std::atomic<double>> flops = std::make_shared<std::atomic<double>>(0);
};

template <class... P>
void multiply(const Counting& cpu, const Rows& x, const P&... products) {
  cpu.flops->fetch_add((0.0 + ... + matmul_cost(x.m, products.w).flops));
  multiply(static_cast<const Xsimd<>&>(cpu), x, products...);
}

}  // namespace mine

int main() {
  using namespace molmo;
  Tensor<float, dyn, 512> x{256}, y{256}, z{256};
  Tensor<float, 512, 512> w;
  for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97) / 8 - 6;
  for (index_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 89) / 4096 - 0.01f;

  // The function, on SIMD registers and on single numbers: the same.
  const Xsimd cpu;
  on(cpu, y) = mine::hard_swish(x);
  on(Reference{}, z) = mine::hard_swish(x);
  bool right = max_of(cpu, abs(y - z)) == 0 && y[0] == 0 && y[96] == 6 && std::abs(y[56] - 1 * 4 / 6.0f) < 1e-6f;
  on(cpu, y) = matmul(x, w).then(mine::hard_swish(acc));

  // The threads: the bits do not depend on how many there are, nor on whose they are.
  const auto jobs = std::make_shared<mine::Jobs>(3);
  const Xsimd borrowed{std::shared_ptr<Executor>(jobs)};
  on(borrowed, z) = matmul(x, w).then(mine::hard_swish(acc));
  right = right && max_of(cpu, abs(y - z)) == 0 && jobs->steps > 0;
  std::printf("the product ran in %d step(s) of %d threads of ours\n", jobs->steps, jobs->threads());

  // The backend: every statement that multiplies matrices goes through it, those inside of layers and models as well.
  const mine::Counting counting{2};
  on(counting, z) = matmul(x, w).then(mine::hard_swish(acc));
  on(counting, z) = softmax(z);  // not ours: Xsimd does it
  right = right && counting.flops->load() == 2.0 * 256 * 512 * 512;
  std::printf("counted %.0f floating-point operations\n", counting.flops->load());
  return right ? 0 : 1;
}
