// SPDX-License-Identifier: Apache-2.0
// Manifest: the parameters of a model at run time, without its type.
//
//   Manifest(model).each([](const std::string& name, const Parameter& p) { ... });
// What a loader, a report or a check does with them is compiled once; a model costs one walk over its manifest.
#pragma once

#include <molmo/formats/weight.hpp>
#include <molmo/layers/parameters.hpp>

#include <string>
#include <type_traits>

namespace molmo::inline v0 {

/// One parameter, a matrix [rows, cols] or a vector [1, cols].
struct Parameter {
  index_t rows, cols;
  bool vector;
  const void* data;  ///< where it points; null: nowhere yet
  void* object;
  void (*point)(void* object, const WeightMatrix& at);

  /// Points it at a matrix of its sizes, or at the floats of a vector.
  void set(const WeightMatrix& at) const { point(object, at); }
};

class Manifest {
 public:
  /// `model` must outlive this; it is changed by Parameter::set() only.
  template <class M>
  explicit Manifest(M& model) : model_(&model), walk_(&walk_model<M>) {}

  /// f(name, parameter) for each, in the order of the model.
  template <class F>
  void each(F&& f) const {
    walk_(model_, Found{&f, [](void* self, const std::string& name, const Parameter& p) {
                          (*static_cast<std::remove_reference_t<F>*>(self))(name, p);
                        }});
  }

 private:
  struct Found {
    void* self;
    void (*call)(void*, const std::string&, const Parameter&);

    template <class P>
    void operator()(const std::string& name, P& parameter) const {
      call(self, name, {P::shape::static_rows, P::shape::cols, is_view<P>, parameter.data, &parameter, &point_at<P>});
    }
  };
  template <class P>
  static void point_at(void* object, const WeightMatrix& at) {
    if constexpr (is_view<P>)
      *static_cast<P*>(object) = P(reinterpret_cast<const float*>(at.data));
    else
      *static_cast<P*>(object) = P(at);
  }
  template <class M>
  static void walk_model(void* model, const Found& found) {
    static_cast<M*>(model)->each_parameter(found);
  }

  void* model_;
  void (*walk_)(void*, const Found&);
};

}  // namespace molmo::inline v0
