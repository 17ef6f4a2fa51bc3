// SPDX-License-Identifier: Apache-2.0
// f32 products y[m, n] = x[m, k] w[n, k]^T by other libraries, for gemm.cpp: OpenBLAS and BLIS (opened at run time,
// since both export cblas_sgemm), Eigen and oneDNN (where this program was built with them). Each in its best way: one
// row by the matrix-vector routine where that is faster, oneDNN with the weights in the layout that it asks for.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 on its own AVX-512 header, inlined into Eigen
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <molmo/core/shape.hpp>

#if defined(MOLMO_HAS_EIGEN)
#include <Eigen/Core>
#endif
#if defined(MOLMO_HAS_ONEDNN)
#include <oneapi/dnnl/dnnl.hpp>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <dlfcn.h>

namespace bench {

using molmo::index_t;

/// A product of one library. Some have two ways to the same result (a routine for vectors; another primitive): gemm.cpp
/// tries both at every shape and measures the faster one.
struct Peer {
  std::string name;
  explicit Peer(std::string n) : name(std::move(n)) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  virtual ~Peer() = default;
  /// Before the first run with these sizes and weights. False where there is no such way.
  virtual bool prepare(int way, index_t m, index_t n, index_t k, const float* w) = 0;
  virtual void run(index_t m, index_t n, index_t k, const float* x, const float* w, float* y) = 0;
};

/// A library with the C interface of BLAS.
class Blas final : public Peer {
 public:
  /// Null where there is no such library, or it lacks the functions.
  static std::unique_ptr<Peer> open(std::string name, std::initializer_list<const char*> files, const char* set_threads,
                                    bool wide_integer, int threads) {
    for (const char* file : files) {
      void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      auto blas = std::make_unique<Blas>(name);
      blas->gemm_ = reinterpret_cast<Gemm>(dlsym(library, "cblas_sgemm"));
      blas->gemv_ = reinterpret_cast<Gemv>(dlsym(library, "cblas_sgemv"));
      void* set = dlsym(library, set_threads);
      if (blas->gemm_ == nullptr || blas->gemv_ == nullptr || set == nullptr) continue;
      if (wide_integer)
        reinterpret_cast<void (*)(long)>(set)(threads);
      else
        reinterpret_cast<void (*)(int)>(set)(threads);
      return blas;
    }
    return nullptr;
  }

  explicit Blas(std::string n) : Peer(std::move(n)) {}
  bool prepare(int way, index_t m, index_t, index_t, const float*) override {
    if (way > (m == 1 ? 1 : 0)) return false;
    by_vector_ = way == 1;
    return true;
  }
  void run(index_t m, index_t n, index_t k, const float* x, const float* w, float* y) override {
    const int mi = static_cast<int>(m), ni = static_cast<int>(n), ki = static_cast<int>(k);
    constexpr int row_major = 101, as_is = 111, transposed = 112;
    if (by_vector_)
      gemv_(row_major, as_is, ni, ki, 1.0f, w, ki, x, 1, 0.0f, y, 1);
    else
      gemm_(row_major, as_is, transposed, mi, ni, ki, 1.0f, x, ki, w, ki, 0.0f, y, ni);
  }

 private:
  using Gemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
  using Gemv = void (*)(int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
  Gemm gemm_ = nullptr;
  Gemv gemv_ = nullptr;
  bool by_vector_ = false;
};

#if defined(MOLMO_HAS_EIGEN)
/// Several threads where this program is compiled with OpenMP.
struct EigenPeer final : Peer {
  explicit EigenPeer(int threads) : Peer("eigen") { Eigen::setNbThreads(threads); }
  bool prepare(int way, index_t, index_t, index_t, const float*) override { return way == 0; }
  void run(index_t m, index_t n, index_t k, const float* x, const float* w, float* y) override {
    using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using Vector = Eigen::VectorXf;
    const Eigen::Map<const Rows> wm(w, n, k);
    if (m == 1)
      Eigen::Map<Vector>(y, n).noalias() = wm * Eigen::Map<const Vector>(x, k);
    else
      Eigen::Map<Rows>(y, m, n).noalias() = Eigen::Map<const Rows>(x, m, k) * wm.transpose();
  }
};
#endif

#if defined(MOLMO_HAS_ONEDNN)
/// With the weights reordered once, as a program does that loads a model.
class DnnlPeer final : public Peer {
 public:
  explicit DnnlPeer([[maybe_unused]] int threads) : Peer("onednn") {
#if defined(_OPENMP)
    omp_set_num_threads(threads);
#endif
  }
  bool prepare(int way, index_t m, index_t n, index_t k, const float* w) override {
    if (way > 1) return false;
    try {
      return way == 0 ? make_matmul(m, n, k, w) : make_inner_product(m, n, k, w);
    } catch (const dnnl::error&) {
      return false;
    }
  }
  void run(index_t, index_t, index_t, const float* x, const float*, float* y) override {
    x_.set_data_handle(const_cast<float*>(x));
    y_.set_data_handle(y);
    primitive_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
    stream_.wait();
  }

 private:
  using Desc = dnnl::memory::desc;
  using Tag = dnnl::memory::format_tag;
  static constexpr auto f32 = dnnl::memory::data_type::f32;

  bool make_matmul(index_t m, index_t n, index_t k, const float* w) {
    const Desc x({m, k}, f32, Tag::ab), any({k, n}, f32, Tag::any), y({m, n}, f32, Tag::ab);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc desc(engine_, x, any, y);
#else
    const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(x, any, y), engine_);
#endif
    return take(dnnl::matmul(desc), x, desc.weights_desc(), y, Desc({k, n}, f32, Tag::ba), w);
  }
  bool make_inner_product(index_t m, index_t n, index_t k, const float* w) {
    const Desc x({m, k}, f32, Tag::ab), any({n, k}, f32, Tag::any), y({m, n}, f32, Tag::ab);
    using Ip = dnnl::inner_product_forward;
    constexpr auto inference = dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
    const Ip::primitive_desc desc(engine_, inference, x, any, y);
#else
    const Ip::primitive_desc desc(Ip::desc(inference, x, any, y), engine_);
#endif
    return take(Ip(desc), x, desc.weights_desc(), y, Desc({n, k}, f32, Tag::ab), w);
  }
  // The weights, which lie as `given`, in the layout that the primitive `wants`.
  bool take(dnnl::primitive primitive, const Desc& x, const Desc& wants, const Desc& y, const Desc& given,
            const float* w) {
    primitive_ = std::move(primitive);
    x_ = dnnl::memory(x, engine_, nullptr);
    y_ = dnnl::memory(y, engine_, nullptr);
    dnnl::memory from(given, engine_, const_cast<float*>(w));
    if (wants == given) {
      w_ = from;
    } else {
      w_ = dnnl::memory(wants, engine_);
      dnnl::reorder(from, w_).execute(stream_, from, w_);
      stream_.wait();
    }
    return true;
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive primitive_;
  dnnl::memory x_, w_, y_;
};
#endif

/// The libraries that are on this machine, set to so many threads.
inline std::vector<std::unique_ptr<Peer>> all_peers(int threads) {
  std::vector<std::unique_ptr<Peer>> peers;
  const auto add = [&](std::unique_ptr<Peer> peer) {
    if (peer != nullptr) peers.push_back(std::move(peer));
  };
  add(Blas::open("openblas", {"libopenblas.so.0", "libopenblas.so"}, "openblas_set_num_threads", false, threads));
  add(Blas::open("blis", {"libblis.so.4", "libblis.so.3", "libblis.so"}, "bli_thread_set_num_threads", true, threads));
#if defined(MOLMO_HAS_EIGEN)
  add(std::make_unique<EigenPeer>(threads));
#endif
#if defined(MOLMO_HAS_ONEDNN)
  add(std::make_unique<DnnlPeer>(threads));
#endif
  return peers;
}

}  // namespace bench
