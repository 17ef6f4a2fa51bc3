// SPDX-License-Identifier: Apache-2.0
// A session whose thread has 64 KB of stack: prompts, single tokens and draws, in every weight format and cache format.
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#include <molmo/run/session.hpp>

#include "support/compare.hpp"
#include "support/small_stack.hpp"
#include "support/stored.hpp"

#include <deque>
#include <string>
#include <type_traits>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr LlmConfig wide{.d_model = 512,
                         .n_heads = 4,
                         .n_kv_heads = 2,
                         .n_layers = 1,
                         .mlp_hidden_size = 1056,
                         .vocab_size = 64,
                         .max_sequence_length = 512};
using Wide = Llm<wide>;

struct RandomModel {
  Wide model;
  std::deque<Stored> matrices;
  std::deque<std::vector<float>> vectors;

  RandomModel(FormatId format, Layout layout) {
    Random random(1);
    model.each_parameter([&]<class P>(const std::string&, P& parameter) {
      if constexpr (std::is_constructible_v<P, WeightMatrix>) {
        matrices.emplace_back(random, format, P::shape::static_rows, P::shape::cols, layout);
        parameter = P(matrices.back().m);
      } else {
        vectors.emplace_back(static_cast<std::size_t>(P::shape::cols), 1.0f);
        parameter = P(vectors.back().data());
      }
    });
  }
};

}  // namespace

TEST_CASE("a session needs 64 KB of stack") {
  for (const FormatId format : {format_id<F32>, format_id<Bf16>, format_id<F16>, format_id<Q8>, format_id<Q4>})
    for (const Layout layout : {Layout::rows, Layout::panels})
      for (const KvFormat cache : {KvFormat::f32, KvFormat::q8}) {
        CAPTURE(format_name(format), layout == Layout::panels, cache == KvFormat::q8);
        const RandomModel r(format, layout);
        auto session = make_session(r.model, Xsimd<>(), {.context = 400, .prefill_chunk = 300, .kv_format = cache});
        REQUIRE(session);
        const std::vector<std::int32_t> ids(310, 5);
        bool fine = false;
        REQUIRE(on_small_stack(kernel_stack, [&] {
          fine = static_cast<bool>(session->prefill(ids));
          fine = fine && session->decode(7) && session->sample({}, 0);
          fine = fine && session->sample({.temperature = 0.8, .top_k = 20, .top_p = 0.9}, 1);
        }));
        CHECK(fine);
      }
}
#endif
