// SPDX-License-Identifier: Apache-2.0
// Which ops a backend has itself: Reference all of them, Xsimd those with a fast loop, a backend of a user what it
// says, and not what it says with a signature that is not quite right.
#include <molmo/molmo.hpp>
#include <molmo/ops/implements.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/catch.hpp"

using namespace molmo;

namespace mine {

struct Fast : Reference {};
void softmax_rows(const Fast&, const float*, float*, index_t, index_t) {}
void rope(const Fast&, RopeHeads&) {}                              // the operands are const
void attention(const Fast&, const AttentionRows&, int) {}          // one argument too many
void rms_norm_rows(const Fast&, const NormRows<double>&) {}        // rows of float are asked for
void embed(const Fast&, const int*, int, const WeightMatrix&, const WeightMatrix&, float*) {}  // int is no index_t
template <class... P>
void multiply(const Fast&, const Rows&, const P&...) {}

template <class T>
struct General : Reference {};
template <class T>
void softmax_rows(const General<T>&, const float*, float*, index_t, index_t) {}
template <class T, class X>
void rms_norm_rows(const General<T>&, const NormRows<X>&) {}

struct Child : Fast {};
void rope(const Child&, const RopeHeads&) {}

}  // namespace mine

template <class B>
constexpr bool has_all =
    implements<B, op::assign> && implements<B, op::reduce_all> && implements<B, op::reduce_rows> &&
    implements<B, op::matmul> && implements<B, op::attention> && implements<B, op::rope> &&
    implements<B, op::finish_queries> && implements<B, op::finish_keys> && implements<B, op::rms_norm> &&
    implements<B, op::layer_norm> && implements<B, op::softmax> && implements<B, op::assign_rows> &&
    implements<B, op::reduce_tokens> && implements<B, op::argmax>;

TEST_CASE("implements: Reference has every op") {
  STATIC_REQUIRE(has_all<Reference>);
  STATIC_REQUIRE(implements<Reference, op::embed>);
  STATIC_REQUIRE(implements<Reference, op::finish_values>);
}

TEST_CASE("implements: a backend's overload counts when its signature is right, and only then") {
  STATIC_REQUIRE(implements<mine::Fast, op::softmax>);
  STATIC_REQUIRE(implements<mine::Fast, op::matmul>);
  STATIC_REQUIRE_FALSE(implements<mine::Fast, op::rope>);
  STATIC_REQUIRE_FALSE(implements<mine::Fast, op::attention>);
  STATIC_REQUIRE_FALSE(implements<mine::Fast, op::rms_norm>);
  STATIC_REQUIRE_FALSE(implements<mine::Fast, op::embed>);
  STATIC_REQUIRE_FALSE(implements<mine::Fast, op::layer_norm>);
  STATIC_REQUIRE_FALSE(implements<mine::Fast, op::assign>);
}

TEST_CASE("implements: a template of backends, and what is inherited from a user's backend") {
  STATIC_REQUIRE(implements<mine::General<int>, op::softmax>);
  STATIC_REQUIRE(implements<mine::General<int>, op::rms_norm>);
  STATIC_REQUIRE_FALSE(implements<mine::General<int>, op::layer_norm>);
  STATIC_REQUIRE(implements<mine::Child, op::rope>);
  STATIC_REQUIRE_FALSE(implements<mine::Child, op::softmax>);  // Fast's
}

#if MOLMO_HAS_XSIMD
TEST_CASE("implements: Xsimd has the ops with fast loops and inherits the others") {
  STATIC_REQUIRE(has_all<Xsimd<>>);
  STATIC_REQUIRE_FALSE(implements<Xsimd<>, op::embed>);
  STATIC_REQUIRE_FALSE(implements<Xsimd<>, op::finish_values>);
}
#endif
