// SPDX-License-Identifier: Apache-2.0
// Every golden model (tests/data/golden, pinned transformers) on the plain loops and on the fast path, layer by layer,
// and what must hold between runs of one model: cached = full, chunked = whole, any number of threads = the same bits.
//
// Tolerances. The goldens were computed by torch in f32, whose sums have another order than ours. A sum of n products
// of size s then differs by about sqrt(n) * 6e-8 * s; n is 48 here and a value passes through some ten sums in two
// layers, so 1e-5 of the largest hidden value (6e-8 * 7 * 10 = 4e-6, times two) holds per layer. Logits have size 9 and
// one more sum: 1e-4.
#if MOLMO_HAS_IO
#include <molmo/ops/sample/sample.hpp>

#include "support/compare.hpp"
#include "support/golden_model.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr double of_the_largest = 1e-5;  // hidden values, relative to the largest of the layer
constexpr double of_logits = 1e-4;       // absolute

double largest(const std::vector<float>& v) {
  double m = 0;
  for (const float x : v) m = std::max(m, std::abs(static_cast<double>(x)));
  return m;
}

std::vector<index_t> chunks_of(index_t size, index_t chunk) {
  std::vector<index_t> out;
  for (index_t left = size; left > 0; left -= out.back()) out.push_back(std::min(left, chunk));
  return out;
}

Trace whole(const GoldenModel& m, int threads, const std::vector<std::int32_t>& ids) {
  const index_t n = static_cast<index_t>(ids.size());
  return m.run(threads, ids, std::span(&n, 1));
}

index_t argmax_of(std::span<const float> row) { return argmax(row.data(), static_cast<index_t>(row.size())); }

std::span<const float> row(const std::vector<float>& matrix, index_t r, index_t width) {
  return std::span(matrix).subspan(static_cast<std::size_t>(r * width), static_cast<std::size_t>(width));
}

bool computed_in_bf16(const Golden& g) { return g.metadata("compute") == "bfloat16"; }

// Backends of a test: 0 is Reference, others are threads of Xsimd.
#if MOLMO_HAS_XSIMD
constexpr int backends[] = {0, 1};
constexpr int thread_counts[] = {1, 2, 3, 8};
#else
constexpr int backends[] = {0};
constexpr int thread_counts[] = {0};
#endif

void require_same_bits(const Trace& got, const Trace& want) {
  for (std::size_t i = 0; i < want.stream.size(); ++i) REQUIRE_SAME_BITS(got.stream[i], want.stream[i]);
  REQUIRE_SAME_BITS(got.normed, want.normed);
  REQUIRE_SAME_BITS(got.logits, want.logits);
  REQUIRE_SAME_BITS(got.keys, want.keys);
}

}  // namespace

TEST_CASE("every golden model has its type in this program", "[golden]") {
  std::set<std::string> folders, known;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder("")))
    if (std::filesystem::exists(entry.path() / "model.safetensors")) folders.insert(entry.path().filename().string());
  for (const GoldenCase& c : golden_cases()) CHECK(known.insert(c.folder).second);
  CHECK(folders == known);
  CHECK(known.size() >= 22);
}

TEST_CASE("golden models: embedding, every layer, final norm and logits", "[golden]") {
  for (const GoldenCase& c : golden_cases()) {
    const auto model = c.load(c.folder);
    const Golden g(c.folder);
    const bool bf16_run = computed_in_bf16(g);
    for (const int backend : backends)
      for (const char* s : {"1", "7", "33"}) {
        CAPTURE(c.folder, backend, s);
        const Trace t = whole(*model, backend, g.ids(text("ids.", s)));
        REQUIRE_SAME_BITS(t.stream[0], g.floats(text("embed.", s)));  // rows are copied; widening is exact
        if (bf16_run) {
          // transformers rounded every activation to bf16 (8 bits); we compute in f32. own_error is how far its bf16
          // logits lie from f32 ones with these weights, so ours must be about as far; twice that is allowed.
          REQUIRE_CLOSE(t.logits, g.floats(text("logits.", s)), 2 * g.number(text("own_error.", s)));
          continue;
        }
        const std::size_t layers = t.stream.size() - 1;
        for (std::size_t i = 0; i < layers; ++i) {
          const auto want = g.floats(text("hidden.", s, ".", i));
          INFO("layer " << i);
          REQUIRE_CLOSE(t.stream[i], want, of_the_largest * largest(want));
        }
        const auto last = g.floats(text("last.", s)), normed = g.floats(text("hidden.", s, ".", layers));
        REQUIRE_CLOSE(t.stream[layers], last, of_the_largest * largest(last));
        REQUIRE_CLOSE(t.normed, normed, of_the_largest * largest(normed));
        REQUIRE_CLOSE(t.logits, g.floats(text("logits.", s)), of_logits);
      }
  }
}

TEST_CASE("golden models: far positions of a long prompt", "[golden]") {
  int checked = 0;
  for (const GoldenCase& c : golden_cases()) {
    const Golden g(c.folder);
    if (!g.has("long.ids")) continue;
    const auto model = c.load(c.folder);
    const auto ids = g.ids("long.ids"), rows = g.ids("long.rows");
    const auto want = g.floats("long.logits");
    const index_t vocabulary = g.size("long.logits", 1);
    // transformers' own rounding grows with the keys that are added up: four times that, as its error is one of two.
    const double allowed = 4 * g.number("long.own_error");
    for (const int backend : backends) {
      CAPTURE(c.folder, backend);
      const Trace t = whole(*model, backend, ids);
      std::vector<float> got;
      for (const std::int32_t r : rows) {
        const auto some = row(t.logits, r, vocabulary);
        got.insert(got.end(), some.begin(), some.end());
      }
      REQUIRE_CLOSE(got, want, allowed);
    }
    ++checked;
  }
  CHECK(checked == 1);
}

TEST_CASE("golden models: greedy decoding with a cache", "[golden]") {
  for (const GoldenCase& c : golden_cases()) {
    const auto model = c.load(c.folder);
    const Golden g(c.folder);
    // The prompt, then each of the golden tokens but the last as an input of its own.
    std::vector<std::int32_t> ids = g.ids("greedy.prompt");
    const std::vector<std::int32_t> want = g.ids("greedy.ids");
    const index_t prompt = static_cast<index_t>(ids.size()), vocabulary = g.size("greedy.logits", 1);
    ids.insert(ids.end(), want.begin(), want.end() - 1);
    std::vector<index_t> chunks(want.size(), 1);
    chunks[0] = prompt;
    // In bf16 cases the prompt was chosen so that no token's margin is below 0.7, while own_error is 0.55 at most.
    const double allowed = computed_in_bf16(g) ? 2 * g.number("own_error.33") : of_logits;
    for (const int backend : backends) {
      CAPTURE(c.folder, backend);
      const Trace t = model->run(backend, ids, chunks);
      const std::vector<float> logits(t.logits.begin() + (prompt - 1) * vocabulary, t.logits.end());
      REQUIRE_CLOSE(logits, g.floats("greedy.logits"), allowed);
      for (std::size_t i = 0; i < want.size(); ++i)
        REQUIRE(argmax_of(row(logits, static_cast<index_t>(i), vocabulary)) == want[i]);
    }
  }
}

TEST_CASE("golden models: a row that was padded on the left in a batch equals a run of its own", "[golden]") {
  int checked = 0;
  for (const GoldenCase& c : golden_cases()) {
    const Golden g(c.folder);
    if (!g.has("padded.ids")) continue;
    ++checked;
    const auto model = c.load(c.folder);
    for (const int backend : backends) {
      CAPTURE(c.folder, backend);
      REQUIRE_CLOSE(whole(*model, backend, g.ids("padded.ids")).logits, g.floats("padded.logits"), of_logits);
    }
  }
  CHECK(checked == 3);
}

TEST_CASE("golden models: parameters() is the number of elements in the checkpoint", "[golden]") {
  for (const GoldenCase& c : golden_cases()) {
    CAPTURE(c.folder);
    const Golden weights(c.folder, "model.safetensors");
    index_t elements = 0;
    for (const TensorInfo& t : weights.table().tensors()) elements += static_cast<index_t>(t.elements());
    CHECK(c.load(c.folder)->parameters() == elements);
  }
}

TEST_CASE("golden models: with a cache = in one step, in chunks = whole", "[golden][relation]") {
  for (const GoldenCase& c : golden_cases()) {
    const auto model = c.load(c.folder);
    const auto ids = Golden(c.folder).ids("ids.33");
    for (const int backend : backends) {
      const Trace full = whole(*model, backend, ids);
      for (const index_t chunk : {1, 3, 5, 8, 17}) {
        const Trace pieces = model->run(backend, ids, chunks_of(33, chunk));
        CAPTURE(c.folder, backend, chunk);
        if (backend == 0) {
          require_same_bits(pieces, full);  // the plain loops know no chunks at all
          continue;
        }
        // Other numbers of rows go through other kernels, which add in another order: rounding of f32, as between us
        // and torch.
        for (std::size_t i = 0; i < full.stream.size(); ++i)
          REQUIRE_CLOSE(pieces.stream[i], full.stream[i], of_the_largest * largest(full.stream[i]));
        REQUIRE_CLOSE(pieces.logits, full.logits, of_logits);
      }
    }
  }
}

TEST_CASE("golden models: any number of threads, and a second run, give the same bits", "[golden][relation][threads]") {
  for (const GoldenCase& c : golden_cases()) {
    const auto model = c.load(c.folder);
    const auto ids = Golden(c.folder).ids("ids.33");
    const auto mixed = std::vector<index_t>{20, 1, 1, 7, 1, 3};
    const Trace one = whole(*model, thread_counts[0], ids), one_mixed = model->run(thread_counts[0], ids, mixed);
    for (const int threads : thread_counts) {
      CAPTURE(c.folder, threads);
      require_same_bits(whole(*model, threads, ids), one);
      require_same_bits(model->run(threads, ids, mixed), one_mixed);
    }
  }
}

TEST_CASE("golden models: what comes later changes nothing that came before", "[golden][relation]") {
  for (const GoldenCase& c : golden_cases()) {
    const auto model = c.load(c.folder);
    auto ids = Golden(c.folder).ids("ids.33");
    for (const int backend : backends) {
      CAPTURE(c.folder, backend);
      const Trace before = whole(*model, backend, ids);
      auto changed = ids;
      changed.back() = (changed.back() + 1) % 61;
      const Trace after = whole(*model, backend, changed);
      const std::span<const float> all(before.logits), other(after.logits);
      REQUIRE_SAME_BITS(other.first(other.size() - 61), all.first(all.size() - 61));
      REQUIRE(!same_bits(other.last(61), all.last(61)).agree);  // and the last position did change
    }
  }
}

TEST_CASE("golden models: the fast path stays close to the plain loops", "[golden]") {
#if MOLMO_HAS_XSIMD
  for (const GoldenCase& c : golden_cases()) {
    CAPTURE(c.folder);
    const auto model = c.load(c.folder);
    const auto ids = Golden(c.folder).ids("ids.33");
    const Trace want = whole(*model, 0, ids), got = whole(*model, 1, ids);
    // The plain loops add in double: this is the error of the fast path alone.
    for (std::size_t i = 0; i < want.stream.size(); ++i)
      REQUIRE_CLOSE(got.stream[i], want.stream[i], 0.5 * of_the_largest * largest(want.stream[i]));
    REQUIRE_CLOSE(got.logits, want.logits, 0.5 * of_logits);
  }
#else
  SUCCEED("built without xsimd");
#endif
}
#endif
