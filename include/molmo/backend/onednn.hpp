// SPDX-License-Identifier: Apache-2.0
// OneDnn<Arch>: Xsimd with the large f32 matrix products done by oneDNN (2.6 ... 3.x), through its C interface, which
// reports failures as numbers and so works with and without exceptions. What oneDNN refuses falls back to Xsimd.
//
//   OneDnn cpu{8};
// Here: engine, streams, and a cache of primitives. Where it pays, and how a product is cut up: ops/matmul/onednn.hpp.
// Threads are the backend's own: oneDNN is called on one tile at a time, on the thread that owns it, so that results do
// not depend on the number of threads. Making a primitive and calling it allocates memory inside oneDNN.
#pragma once

#include <molmo/backend/pool.hpp>
#include <molmo/backend/xsimd.hpp>

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_config.h>

#include <type_traits>
#include <vector>

#if defined(__ELF__) && DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
// The OpenMP runtime that oneDNN brings, if it does: weak, so that nobody has to link it for our sake; under names of
// our own, because <omp.h> declares the real ones in another way.
extern "C" {
int molmo_omp_get_max_threads() __asm__("omp_get_max_threads") __attribute__((weak));
void molmo_omp_set_num_threads(int) __asm__("omp_set_num_threads") __attribute__((weak));
}
#endif

namespace molmo::inline v0 {
namespace detail {

// While it lives, oneDNN starts no threads from this one.
class OneOmpThread {
 public:
  OneOmpThread(const OneOmpThread&) = delete;
  OneOmpThread& operator=(const OneOmpThread&) = delete;
#if defined(__ELF__) && DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
  OneOmpThread() {
    if (molmo_omp_get_max_threads == nullptr || molmo_omp_set_num_threads == nullptr) return;
    before_ = molmo_omp_get_max_threads();
    if (before_ != 1) molmo_omp_set_num_threads(1);
  }
  ~OneOmpThread() {
    if (before_ > 1) molmo_omp_set_num_threads(before_);
  }

 private:
  int before_ = 0;
#else
  OneOmpThread() {}
  ~OneOmpThread() {}
#endif
};

template <auto Destroy>
struct DnnlDelete {
  template <class T>
  void operator()(T* handle) const {
    Destroy(handle);
  }
};
template <class Handle, auto Destroy>
using dnnl_unique = std::unique_ptr<std::remove_pointer_t<Handle>, DnnlDelete<Destroy>>;

// Calls a function whose first argument is where the new handle goes; null when it fails.
template <class Unique, class Make, class... Args>
Unique dnnl_make(Make make, Args... args) {
  typename Unique::pointer handle = nullptr;
  return Unique(make(&handle, args...) == dnnl_success ? handle : nullptr);
}

using DnnlEngine = dnnl_unique<dnnl_engine_t, &dnnl_engine_destroy>;
using DnnlStream = dnnl_unique<dnnl_stream_t, &dnnl_stream_destroy>;
using DnnlMemory = dnnl_unique<dnnl_memory_t, &dnnl_memory_destroy>;
using DnnlAttributes = dnnl_unique<dnnl_primitive_attr_t, &dnnl_primitive_attr_destroy>;
using DnnlPrimitiveDesc = dnnl_unique<dnnl_primitive_desc_t, &dnnl_primitive_desc_destroy>;
using DnnlPrimitive = dnnl_unique<dnnl_primitive_t, &dnnl_primitive_destroy>;

// The layout of a matrix of floats; also what both versions of the interface take as one.
class DnnlMatrix {
 public:
  DnnlMatrix(index_t rows, index_t cols, index_t row_stride, index_t col_stride) {
    const dnnl_dims_t sizes = {rows, cols}, strides = {row_stride, col_stride};
#if DNNL_VERSION_MAJOR >= 3
    desc_ = dnnl_make<Desc>(&dnnl_memory_desc_create_with_strides, 2, sizes, dnnl_f32, strides);
#else
    ok_ = dnnl_memory_desc_init_by_strides(&desc_, 2, sizes, dnnl_f32, strides) == dnnl_success;
#endif
  }
#if DNNL_VERSION_MAJOR >= 3
  [[nodiscard]] bool ok() const { return desc_ != nullptr; }
  [[nodiscard]] const_dnnl_memory_desc_t get() const { return desc_.get(); }

 private:
  using Desc = dnnl_unique<dnnl_memory_desc_t, &dnnl_memory_desc_destroy>;
  Desc desc_;
#else
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] const dnnl_memory_desc_t* get() const { return &desc_; }

 private:
  dnnl_memory_desc_t desc_{};
  bool ok_ = false;
#endif
};

struct DnnlKey {
  index_t m, n, k, x_stride;
  friend bool operator==(const DnnlKey&, const DnnlKey&) = default;
};

// tile[m, n] = sum over k of x[m, k] w[n, k], the tile dense. Immutable, so any number of threads may run it at once.
class DnnlMatmul {
 public:
  DnnlMatmul(dnnl_engine_t engine, const DnnlKey& key)
      : key_(key),
        engine_(engine),
        x_(key.m, key.k, key.x_stride, 1),
        w_(key.k, key.n, 1, key.k),
        y_(key.m, key.n, key.n, 1) {
    const auto attributes = dnnl_make<DnnlAttributes>(&dnnl_primitive_attr_create);
    if (!x_.ok() || !w_.ok() || !y_.ok() || attributes == nullptr) return;
    if (dnnl_primitive_attr_set_scratchpad_mode(attributes.get(), dnnl_scratchpad_mode_user) != dnnl_success) return;
#if DNNL_VERSION_MAJOR >= 3
    desc_ = dnnl_make<DnnlPrimitiveDesc>(&dnnl_matmul_primitive_desc_create, engine, x_.get(), w_.get(), nullptr,
                                         y_.get(), attributes.get());
#else
    dnnl_matmul_desc_t what;
    if (dnnl_matmul_desc_init(&what, x_.get(), w_.get(), nullptr, y_.get()) != dnnl_success) return;
    desc_ = dnnl_make<DnnlPrimitiveDesc>(&dnnl_primitive_desc_create, &what, attributes.get(), engine, nullptr);
#endif
    if (desc_ == nullptr) return;
    scratch_ = dnnl_primitive_desc_query_md(desc_.get(), dnnl_query_scratchpad_md, 0);
    scratch_bytes_ = scratch_ == nullptr ? 0 : dnnl_memory_desc_get_size(scratch_);
    primitive_ = dnnl_make<DnnlPrimitive>(&dnnl_primitive_create, desc_.get());
  }

  [[nodiscard]] bool ok() const { return primitive_ != nullptr; }
  [[nodiscard]] const DnnlKey& key() const { return key_; }
  [[nodiscard]] std::size_t scratch_bytes() const { return scratch_bytes_; }

  /// False when oneDNN fails; then the tile holds nothing useful.
  bool run(dnnl_stream_t stream, const float* x, const float* w, float* tile, void* scratch) const {
    const auto memory = [&](auto desc, const void* at) {
      return dnnl_make<DnnlMemory>(&dnnl_memory_create, desc, engine_, const_cast<void*>(at));
    };
    const auto mx = memory(x_.get(), x), mw = memory(w_.get(), w), my = memory(y_.get(), tile);
    const auto ms = scratch_bytes_ == 0 ? DnnlMemory() : memory(scratch_, scratch);
    if (mx == nullptr || mw == nullptr || my == nullptr || (scratch_bytes_ != 0 && ms == nullptr)) return false;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, mx.get()},
                                         {DNNL_ARG_WEIGHTS, mw.get()},
                                         {DNNL_ARG_DST, my.get()},
                                         {DNNL_ARG_SCRATCHPAD, ms.get()}};
    return dnnl_primitive_execute(primitive_.get(), stream, ms == nullptr ? 3 : 4, arguments) == dnnl_success &&
           dnnl_stream_wait(stream) == dnnl_success;
  }

 private:
  DnnlKey key_;
  dnnl_engine_t engine_;
  DnnlMatrix x_, w_, y_;
  DnnlPrimitiveDesc desc_;
  decltype(DnnlMatrix(1, 1, 1, 1).get()) scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  DnnlPrimitive primitive_;
};

// What one thread needs while it works.
struct DnnlWorker {
  DnnlStream stream;
  AlignedBytes tile, scratch;

  /// False without memory or without a stream.
  bool prepare(dnnl_engine_t engine, std::size_t tile_bytes, std::size_t scratch_bytes) {
    if (stream == nullptr)
      stream = dnnl_make<DnnlStream>(&dnnl_stream_create, engine, unsigned{dnnl_stream_default_flags});
    if (tile.size() < tile_bytes) tile = AlignedBytes::zeroed(tile_bytes, 1);
    if (scratch.size() < scratch_bytes) scratch = AlignedBytes::zeroed(scratch_bytes, 1);
    return stream != nullptr && tile.data() != nullptr && scratch.size() >= scratch_bytes;
  }
};

// Shared by the copies of a backend.
class DnnlState {
 public:
  DnnlState() : engine_(dnnl_make<DnnlEngine>(&dnnl_engine_create, dnnl_cpu, std::size_t{0})) {}

  /// The primitive for these sizes, made now if it is not there yet; null where oneDNN refuses.
  std::shared_ptr<const DnnlMatmul> matmul(const DnnlKey& key) {
    if (engine_ == nullptr) return nullptr;
    const std::lock_guard lock(mutex_);
    for (const auto& known : matmuls_)
      if (known->key() == key) return known->ok() ? known : nullptr;
    const OneOmpThread alone;  // blocking is chosen for one thread
    auto made = std::make_shared<const DnnlMatmul>(engine_.get(), key);
    if (matmuls_.size() >= most_matmuls) matmuls_.erase(matmuls_.begin());
    matmuls_.push_back(made);
    return made->ok() ? made : nullptr;
  }
  [[nodiscard]] dnnl_engine_t engine() const { return engine_.get(); }

  Pool<DnnlWorker> workers;

 private:
  static constexpr std::size_t most_matmuls = 128;  // a model has some ten widths, each with whole and last tiles
  DnnlEngine engine_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<const DnnlMatmul>> matmuls_;  // the oldest first
};

}  // namespace detail

inline namespace MOLMO_ISA {

/// Copies share their threads, primitives and scratch memory, and may be used from several threads at once.
template <class Arch = native>
struct OneDnn : Xsimd<Arch> {
  static constexpr const char* name = "onednn";

  /// The calling thread only.
  OneDnn() = default;
  /// `threads` threads, the caller included; 0 means one per core.
  explicit OneDnn(int threads) : Xsimd<Arch>(threads) {}
  /// Threads of your own.
  explicit OneDnn(std::shared_ptr<Executor> executor) : Xsimd<Arch>(std::move(executor)) {}
  /// The threads of another backend.
  explicit OneDnn(const Xsimd<Arch>& cpu) : Xsimd<Arch>(cpu) {}

  /// As Xsimd::exact().
  [[nodiscard]] OneDnn exact() const {
    OneDnn copy = *this;
    static_cast<Xsimd<Arch>&>(copy) = Xsimd<Arch>::exact();
    return copy;
  }
  [[nodiscard]] detail::DnnlState& state() const { return *state_; }

 private:
  std::shared_ptr<detail::DnnlState> state_ = std::make_shared<detail::DnnlState>();
};

OneDnn()->OneDnn<>;
OneDnn(int)->OneDnn<>;
OneDnn(std::shared_ptr<Executor>)->OneDnn<>;
template <class Arch>
OneDnn(const Xsimd<Arch>&) -> OneDnn<Arch>;

/// OneDnn without the header of its products. (That one is more special: its X is Rows.)
template <class Arch, class X, class... P>
void multiply(const OneDnn<Arch>&, const X&, const P&...) {
  static_assert(detail::never<X>,
                "molmo: OneDnn's matmul is in <molmo/ops/matmul/onednn.hpp>, which is not included; "
                "include <molmo/onednn.hpp>");
}

}  // inline namespace MOLMO_ISA

}  // namespace molmo::inline v0
