// SPDX-License-Identifier: Apache-2.0
// Does a backend have an op itself, or does it inherit the op? A backend's overload whose signature is not quite right
// is no error: it is never called, and the parent's loop runs in its place. So say what you mean beside the overload:
//
//   static_assert(molmo::implements<mine::Fast, molmo::op::softmax>);
// True where the op's call with its exact operands takes an overload for that very backend (a template of it, too).
// Include the backend's headers first. The signatures are listed in docs/add_a_backend.md.
#pragma once

#include <molmo/expr/argmax.hpp>
#include <molmo/expr/reduce.hpp>
#include <molmo/expr/token_reduce.hpp>
#include <molmo/ops/attention/attention.hpp>
#include <molmo/ops/attention/new_heads.hpp>
#include <molmo/ops/embed/embed.hpp>
#include <molmo/ops/layer_norm/layer_norm.hpp>
#include <molmo/ops/matmul/matmul.hpp>
#include <molmo/ops/rms_norm/rms_norm.hpp>
#include <molmo/ops/rope/rope.hpp>
#include <molmo/ops/softmax/softmax.hpp>

namespace molmo::inline v0 {
namespace detail::ask {

struct Inherited {};  // what the functions below return: nearer than a parent's, less special than the backend's own

template <class B, class T, class S, index_t R, index_t O, class E>
Inherited assign(const B&, View<T, S, Host, R, O>, const E&);
template <class B, class R, class E>
Inherited reduce_all(const B&, R, const E&);
template <class B, class R, class T, class S, class E>
Inherited reduce_rows(const B&, R, View<T, S>, const E&);
template <class B, class T, class S, index_t R, index_t O, class E, class Finish>
Inherited assign_rows(const B&, View<T, S, Host, R, O>, const E&, const Finish&);
template <class B, class R, class F, class T, class E>
Inherited reduce_tokens(const B&, R, F, const TokenTarget<T>&, const E&, const TokenWalk&);
template <class B, class F, class E>
Inherited find_largest(const B&, Largest<F>&, const E&, index_t, index_t);
template <class B, class... P>
Inherited multiply(const B&, const Rows&, const P&...);
template <class B>
Inherited attention(const B&, const AttentionRows&);
template <class B>
Inherited rope(const B&, const RopeHeads&);
template <class B>
Inherited finish_queries(const B&, const NewHeads&, index_t, index_t, index_t, index_t);
template <class B>
Inherited finish_keys(const B&, const NewHeads&, index_t, index_t, index_t, index_t);
template <class B>
Inherited finish_values(const B&, const NewHeads&, index_t, index_t, index_t, index_t);
template <class B, class T>
Inherited rms_norm_rows(const B&, const NormRows<T>&);
template <class B, class T>
Inherited layer_norm_rows(const B&, const NormRows<T>&);
template <class B>
Inherited softmax_rows(const B&, const float*, float*, index_t, index_t);
template <class B>
Inherited embed(const B&, const std::int32_t*, index_t, const WeightMatrix&, const WeightMatrix&, float*);

// The operands of the calls; never evaluated.
template <class X>
extern const X& one;
extern const View<float, Shape<dyn, 8>> y;
extern const View<float, Shape<dyn>> s;
extern const Leaf<float, Shape<dyn, 8>, Host> e;
extern const Strided<float, Spread::full> erased;
extern Largest<float> largest;
extern const float* const in;
extern float* const out;
extern const std::int32_t* const ids;
extern const index_t n;

template <class B>
using assign_call = decltype(assign(one<B>, y, e));
template <class B>
using reduce_all_call = decltype(reduce_all(one<B>, SumOf{}, e));
template <class B>
using reduce_rows_call = decltype(reduce_rows(one<B>, SumOf{}, s, e));
template <class B>
using assign_rows_call = decltype(assign_rows(one<B>, y, e, one<Stored>));
template <class B>
using reduce_tokens_call =
    decltype(reduce_tokens(one<B>, SumOf{}, float{}, one<TokenTarget<float>>, erased, one<TokenWalk>));
template <class B>
using argmax_call = decltype(find_largest(one<B>, largest, erased, n, n));
template <class B>
using matmul_call = decltype(multiply(one<B>, one<Rows>, one<Product<float, Acc>>));
template <class B>
using attention_call = decltype(attention(one<B>, one<AttentionRows>));
template <class B>
using rope_call = decltype(rope(one<B>, one<RopeHeads>));
template <class B>
using finish_queries_call = decltype(finish_queries(one<B>, one<NewHeads>, n, n, n, n));
template <class B>
using finish_keys_call = decltype(finish_keys(one<B>, one<NewHeads>, n, n, n, n));
template <class B>
using finish_values_call = decltype(finish_values(one<B>, one<NewHeads>, n, n, n, n));
template <class B>
using rms_norm_call = decltype(rms_norm_rows(one<B>, one<NormRows<float>>));
template <class B>
using layer_norm_call = decltype(layer_norm_rows(one<B>, one<NormRows<float>>));
template <class B>
using softmax_call = decltype(softmax_rows(one<B>, in, out, n, n));
template <class B>
using embed_call = decltype(embed(one<B>, ids, n, one<WeightMatrix>, one<WeightMatrix>, out));

}  // namespace detail::ask

/// The ops that a backend may have: the names for `implements`.
namespace op {

struct assign {
  template <class B>
  using call = detail::ask::assign_call<B>;
};
struct reduce_all {
  template <class B>
  using call = detail::ask::reduce_all_call<B>;
};
struct reduce_rows {
  template <class B>
  using call = detail::ask::reduce_rows_call<B>;
};
struct assign_rows {
  template <class B>
  using call = detail::ask::assign_rows_call<B>;
};
struct reduce_tokens {
  template <class B>
  using call = detail::ask::reduce_tokens_call<B>;
};
struct argmax {
  template <class B>
  using call = detail::ask::argmax_call<B>;
};
struct matmul {
  template <class B>
  using call = detail::ask::matmul_call<B>;
};
struct attention {
  template <class B>
  using call = detail::ask::attention_call<B>;
};
struct rope {
  template <class B>
  using call = detail::ask::rope_call<B>;
};
struct finish_queries {
  template <class B>
  using call = detail::ask::finish_queries_call<B>;
};
struct finish_keys {
  template <class B>
  using call = detail::ask::finish_keys_call<B>;
};
struct finish_values {
  template <class B>
  using call = detail::ask::finish_values_call<B>;
};
struct rms_norm {
  template <class B>
  using call = detail::ask::rms_norm_call<B>;
};
struct layer_norm {
  template <class B>
  using call = detail::ask::layer_norm_call<B>;
};
struct softmax {
  template <class B>
  using call = detail::ask::softmax_call<B>;
};
struct embed {
  template <class B>
  using call = detail::ask::embed_call<B>;
};

}  // namespace op

/// Has the backend B an overload of its own for this op (op::softmax, ...)?
template <class B, class Op>
inline constexpr bool implements = [] {
  if constexpr (requires { typename Op::template call<B>; })
    return !std::is_same_v<typename Op::template call<B>, detail::ask::Inherited>;
  else
    return false;
}();

}  // namespace molmo::inline v0
