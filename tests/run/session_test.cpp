// SPDX-License-Identifier: Apache-2.0
// Session: what it computes is what Llm::forward computes; every refusal leaves it as it was; its memory is planned,
// allocated once and may be refused at any point; sessions in several threads share a model and a pool. Random weights,
// no files.
#include <molmo/run/session.hpp>
#if MOLMO_HAS_XSIMD
#include <molmo/cpu.hpp>
#endif

#include "support/compare.hpp"
#include "support/golden_configs.hpp"
#include "support/random_model.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace molmo;
using namespace molmo_test;

namespace {

constexpr LlmConfig config = [] {  // one that has extra input rows
  LlmConfig c = llama_default;
  c.additional_vocab_size = 2;
  return c;
}();
using Model = Llm<config>;

#if MOLMO_HAS_XSIMD
using Cpu = Xsimd<>;
Cpu one_thread() { return Cpu(1); }
Cpu threads(int n) { return Cpu(n); }
#else
using Cpu = Reference;
Cpu one_thread() { return {}; }
Cpu threads(int) { return {}; }
#endif

using Ids = std::vector<std::int32_t>;
using Floats = std::vector<float>;

const RandomWeights<Model>& model() {
  static const RandomWeights<Model> m(1);
  return m;
}

Ids some_ids(index_t n, std::uint64_t seed = 7) {
  Random random(seed);
  Ids ids;
  for (index_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>(random.between(0, 62)));
  return ids;
}

Session<Model, Cpu> start(const SessionOptions& options = {}) {
  auto s = make_session(*model(), one_thread(), options);
  if (!s) FAIL(s.error().message);
  return std::move(*s);
}

Floats copy(const result<std::span<const float>>& logits) {
  if (!logits) FAIL(logits.error().message);
  return {logits->begin(), logits->end()};
}

// What a fresh session says to these ids.
Floats answer(const Ids& ids, index_t chunk = 512) {
  auto s = start({.context = 64, .prefill_chunk = chunk});
  return copy(s.prefill(ids));
}

template <class T>
void refused(const result<T>& r, errc code, const std::string& says) {
  REQUIRE(!r.has_value());
  CHECK(r.error().code == code);
  CAPTURE(r.error().message);
  CHECK(r.error().message.find(says) != std::string::npos);
}

// Memory that counts, and that refuses from the k-th request on.
class Memory final : public MemoryResource {
 public:
  int refuse_at = -1, requests = 0;
  std::map<void*, std::size_t> live;
  std::size_t bytes = 0;

  void* allocate(std::size_t n, std::size_t alignment) noexcept override {
    if (requests++ == refuse_at) return nullptr;
    void* p = ::operator new(n, std::align_val_t{alignment}, std::nothrow);
    live[p] = n;
    bytes += n;
    return p;
  }
  void deallocate(void* p, std::size_t n, std::size_t alignment) noexcept override {
    const auto found = live.find(p);
    wrong_ = wrong_ || found == live.end() || found->second != n;
    if (found != live.end()) live.erase(found);
    ::operator delete(p, std::align_val_t{alignment});
  }
  [[nodiscard]] bool returned_all() const { return live.empty() && !wrong_; }

 private:
  bool wrong_ = false;
};

}  // namespace

TEST_CASE("session: prefill and decode compute what forward computes") {
  const Ids ids = some_ids(20);
  KvCache cache = KvCache::for_model<Model>(20);
  Arena arena(Model::workspace_bytes(20));
  const LlmWorkspace work = Model::make_workspace(arena, 20);
  Floats want(20 * 61);
  REQUIRE(model()->forward(one_thread(), ids.data(), 20, cache.view(), work, want.data(), 20));
  cache.truncate(0);
  Floats last(61);  // the head alone sees one row now, as in a session
  REQUIRE(model()->forward(one_thread(), ids.data(), 20, cache.view(), work, last.data(), 1));
  REQUIRE_SAME_BITS(answer(ids), last);

  // In chunks and step by step other kernels add in another order: f32 rounding, 1e-4 of logits near 10 (as
  // golden_test.cpp).
  for (const index_t chunk : {1, 2, 7, 19}) REQUIRE_CLOSE(answer(ids, chunk), Floats(want.end() - 61, want.end()), 1e-4);
  auto s = start();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Floats logits = copy(i == 0 ? s.prefill(Ids{ids[0]}) : s.decode(ids[i]));
    REQUIRE_CLOSE(logits, Floats(want.begin() + static_cast<index_t>(i) * 61, want.begin() + static_cast<index_t>(i + 1) * 61), 1e-4);
    CHECK(s.length() == static_cast<index_t>(i) + 1);
    REQUIRE_SAME_BITS(logits, s.logits());
  }
}

TEST_CASE("session: smaller formats of the KV cache stay close to f32, and are not it") {
  const Ids ids = some_ids(40);
  const auto run = [&](KvFormat format) {
    auto s = start({.context = 64, .kv_format = format});
    CHECK(s.prefill(std::span(ids).first(30)));
    Floats last;
    for (std::size_t i = 30; i < 40; ++i) last = copy(s.decode(ids[i]));
    return last;
  };
  const Floats exact = run(KvFormat::f32);
  // Logits near 10 of two layers; keys and values are rounded to 2^-12, 2^-9 and 1/254 of their size.
  for (const auto& [format, allowed] : {std::pair{KvFormat::f16, 0.01}, {KvFormat::bf16, 0.08}, {KvFormat::q8, 0.08}}) {
    CAPTURE(kv_format_name(format));
    const Floats got = run(format);
    REQUIRE_CLOSE(got, exact, allowed);
    CHECK(!same_bits(got, exact).agree);
  }
}

TEST_CASE("session: a prompt in two prefills is the prompt") {
  const Ids ids = some_ids(12);
  auto s = start();
  CHECK(s.prefill(std::span(ids).first(5)));
  REQUIRE_CLOSE(copy(s.prefill(std::span(ids).subspan(5))), answer(ids), 1e-4);
  CHECK(s.length() == 12);
}

TEST_CASE("session: refusals, each of which leaves the session as it was") {
  auto s = start({.context = 10, .prefill_chunk = 4});
  const Ids six = some_ids(6);
  const Floats before = copy(s.prefill(six));
  const auto unchanged = [&] {
    CHECK(s.length() == 6);
    REQUIRE_SAME_BITS(s.logits(), before);
  };
  refused(s.prefill({}), errc::empty_prompt, "no tokens");
  unchanged();
  refused(s.prefill(some_ids(5)), errc::context_full, "6 of 10");
  unchanged();
  for (const std::int32_t bad : {-1, 63, 1 << 30, std::numeric_limits<std::int32_t>::min()}) {
    refused(s.decode(bad), errc::invalid_argument, text(bad));
    refused(s.prefill(Ids{1, 2, bad}), errc::invalid_argument, text("vocabulary of ", 63));
    unchanged();
  }
  const Floats next = copy(s.decode(62));  // an input-only row is fine
  CHECK(s.length() == 7);
  s.rewind(6);
  REQUIRE_SAME_BITS(copy(s.decode(62)), next);
  CHECK(s.prefill(some_ids(3)));
  CHECK(s.length() == 10);
  refused(s.decode(1), errc::context_full, "10 of 10");
  refused(s.prefill(Ids{1}), errc::context_full, "larger context");
  CHECK(s.length() == 10);
}

TEST_CASE("session: rewind") {
  const Ids ids = some_ids(9);
  auto s = start();
  CHECK(s.prefill(ids));
  s.rewind(20);
  CHECK(s.length() == 9);
  s.rewind(4);
  CHECK(s.length() == 4);
  // Four ids are there; the other five again, in the rows kernel as before: the same bits as a run in these two pieces.
  const Floats again = copy(s.prefill(std::span(ids).subspan(4)));
  REQUIRE_CLOSE(again, answer(ids), 1e-4);
  s.rewind();
  CHECK(s.length() == 0);
  REQUIRE_SAME_BITS(copy(s.prefill(ids)), answer(ids));
  s.rewind(-5);
  CHECK(s.length() == 0);
}

TEST_CASE("session: a prefill that is cancelled leaves the session as it was, at any chunk") {
  const Ids ids = some_ids(20), first = some_ids(3, 9);
  auto s = start({.context = 40, .prefill_chunk = 4});
  const Floats before = copy(s.prefill(first));
  Floats want;
  {
    auto other = start({.context = 40, .prefill_chunk = 4});
    CHECK(other.prefill(first));
    want = copy(other.prefill(ids));
  }
  for (std::uint64_t at = 0; at <= 16; at += 4) {  // 0: before it starts; else when `at` ids are done
    std::stop_source stop;
    std::uint64_t reported = 0;
    auto watch = [&](const Progress& p) {
      reported = p.done;
      if (p.done == at) stop.request_stop();
      return true;
    };
    if (at == 0) stop.request_stop();
    refused(s.prefill(ids, stop.get_token(), watch), errc::cancelled, "cancelled");
    CHECK(reported == at);
    CHECK(s.length() == 3);
    REQUIRE_SAME_BITS(s.logits(), before);
  }
  for (std::uint64_t at = 4; at <= 16; at += 4) {  // or by the progress sink itself
    auto watch = [&](const Progress& p) { return p.done < at; };
    refused(s.prefill(ids, {}, watch), errc::cancelled, "cancelled");
    CHECK(s.length() == 3);
  }
  REQUIRE_SAME_BITS(copy(s.prefill(ids)), want);
}

TEST_CASE("session: a progress sink may not use the session that it watches") {
  const Ids ids = some_ids(24), first = some_ids(4, 9);
  auto s = start({.context = 32, .prefill_chunk = 8});
  CHECK(s.prefill(first));
  int seen = 0;
  auto meddle = [&](const Progress& p) {
    ++seen;
    refused(s.prefill(ids), errc::invalid_argument, "in the middle of a call");
    refused(s.decode(1), errc::invalid_argument, "in the middle of a call");
    refused(s.score(some_ids(3)), errc::invalid_argument, "in the middle of a call");
    refused(s.sample({}, 0), errc::invalid_argument, "in the middle of a call");
    CHECK(s.length() == 4 + static_cast<index_t>(p.done));
    return true;
  };
  const Floats got = copy(s.prefill(ids, {}, meddle));
  CHECK(seen == 3);
  CHECK(s.length() == 28);
  auto other = start({.context = 32, .prefill_chunk = 8});
  CHECK(other.prefill(first));
  REQUIRE_SAME_BITS(got, copy(other.prefill(ids)));

  // What returns nothing is noticed by the call itself.
  s.rewind(4);
  auto back = [&](const Progress& p) {
    if (p.done == 8) s.rewind(2);
    return true;
  };
  refused(s.prefill(ids, {}, back), errc::invalid_argument, "progress sink changed");
  CHECK(s.length() == 2);
  auto target = start({.context = 8});
  auto away = [&](const Progress&) {
    target = std::move(s);
    return true;
  };
  refused(s.prefill(ids, {}, away), errc::invalid_argument, "progress sink changed");
  refused(s.decode(1), errc::invalid_argument, "moved from");
  target.rewind(2);
  CHECK(target.decode(1));
}

#if MOLMO_EXCEPTIONS
TEST_CASE("session: a progress sink that throws leaves the session as it was") {
  struct Stop {};
  const Ids ids = some_ids(20);
  for (std::uint64_t at = 4; at <= 20; at += 4) {
    auto s = start({.context = 40, .prefill_chunk = 4});
    const Floats before = copy(s.prefill(some_ids(3, 9)));
    auto watch = [&](const Progress& p) {
      if (p.done == at) throw Stop{};
      return true;
    };
    CHECK_THROWS_AS(static_cast<void>(s.prefill(ids, {}, watch)), Stop);
    CHECK(s.length() == 3);
    if (at < 20) {
      REQUIRE_SAME_BITS(s.logits(), before);
      CHECK(s.sample({}, 0));
    } else {  // the logits before are overwritten by then, and those of the failed call are nobody's
      refused(s.sample({}, 0), errc::empty_prompt, "no logits");
    }
    CHECK(s.prefill(ids));
    CHECK(s.length() == 23);
  }
}
#endif

TEST_CASE("session: one that was moved from refuses every call") {
  auto s = start({.context = 16});
  const Floats logits = copy(s.prefill(some_ids(5)));
  auto moved = std::move(s);
  refused(s.prefill(some_ids(2)), errc::invalid_argument, "moved from");
  refused(s.prefill({}), errc::invalid_argument, "moved from");
  refused(s.decode(1), errc::invalid_argument, "moved from");
  refused(s.score(some_ids(3)), errc::invalid_argument, "moved from");
  refused(s.sample({}, 0), errc::invalid_argument, "moved from");
  s.rewind(1);
  CHECK((s.length() == 0 && s.context() == 0 && s.vocabulary() == 0 && s.logits().empty()));
  REQUIRE_SAME_BITS(moved.logits(), logits);
  CHECK(moved.decode(1));
  CHECK(moved.length() == 6);
  s = std::move(moved);  // and may be used again
  CHECK(s.length() == 6);
  CHECK(s.decode(1));

  KvCache cache = KvCache::for_model<Model>(20);
  cache.view().length = 3;
  const KvCache to = std::move(cache);
  CHECK((to.ok() && to.length() == 3 && to.capacity() == 20));
  CHECK((!cache.ok() && cache.length() == 0 && cache.capacity() == 0 && cache.view().first.k == nullptr));
}

TEST_CASE("session: parameters that were never set are named") {
  const Llm<config> empty;
  refused(make_session(empty, one_thread(), {.context = 8}), errc::invalid_argument, "never set: embedding.weight points nowhere");
  RandomWeights<Model> model(3);
  std::vector<std::string> names;
  const_cast<Model&>(*model).each_parameter([&](const std::string& name, auto& p) {
    auto kept = p;
    p = {};
    refused(make_session(*model, one_thread(), {.context = 8}), errc::invalid_argument, "never set: " + name + " points nowhere");
    p = kept;
    names.push_back(name);
  });
  CHECK(names.size() > 10);
  CHECK(make_session(*model, one_thread(), {.context = 8}));
}

TEST_CASE("session: there is nothing to draw from before a prefill, nor after score()") {
  auto s = start();
  refused(s.sample({}, 0), errc::empty_prompt, "prefill() a prompt first");
  refused(s.prefill({}), errc::empty_prompt, "");
  refused(s.sample({.temperature = 1}, 0), errc::empty_prompt, "prefill() a prompt first");
  CHECK(s.prefill(some_ids(4)));
  CHECK(s.sample({}, 0));
  CHECK(s.score(some_ids(4)));
  refused(s.sample({}, 0), errc::empty_prompt, "prefill() a prompt first");
  CHECK(s.decode(1));
  CHECK(s.sample({}, 0));
}

TEST_CASE("session: the repetition penalty is for the ids in the cache") {
  auto s = start({.context = 40, .prefill_chunk = 4});
  const Ids ids = some_ids(10);
  const Floats logits = copy(s.prefill(ids));
  std::vector<Candidate> scratch(logits.size());
  for (const double penalty : {0.5, 1.3, 4.0})
    for (const double temperature : {0.0, 1.0}) {
      const SamplingOptions o{.temperature = temperature, .seed = 4, .repetition_penalty = penalty};
      CHECK(*s.sample(o, 3) == *sample(logits.data(), 61, o, 3, scratch.data(), ids));
      REQUIRE_SAME_BITS(s.logits(), logits);  // which stay those of the model
    }
  // With a large penalty a greedy text says nothing twice, until all has been said.
  const SamplingOptions never_twice{.repetition_penalty = 1e9};
  Ids said = ids;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto id = s.sample(never_twice, i);
    REQUIRE(id);
    const bool positive = s.logits()[static_cast<std::size_t>(*id)] > 0;
    if (positive) CHECK(std::count(said.begin(), said.end(), *id) == 0);
    said.push_back(*id);
    CHECK(s.decode(*id));
  }
  s.rewind(10);
  const Floats again = copy(s.decode(62));  // an id without a logit
  Ids eleven = ids;
  eleven.push_back(62);
  const SamplingOptions o{.repetition_penalty = 2};
  CHECK(*s.sample(o, 0) == *sample(again.data(), 61, o, 0, scratch.data(), eleven));
}

TEST_CASE("session: progress counts the ids to the end, whose answer cannot cancel any more") {
  auto s = start({.context = 40, .prefill_chunk = 8});
  std::vector<std::uint64_t> seen;
  auto watch = [&](const Progress& p) {
    CHECK(p.what == "prefill");
    CHECK(p.total == 20);
    seen.push_back(p.done);
    return p.done < 20;
  };
  CHECK(s.prefill(some_ids(20), {}, watch));
  CHECK(seen == std::vector<std::uint64_t>{8, 16, 20});
}

TEST_CASE("session: sample draws from the logits, refuses NaN and wrong options") {
  auto s = start();
  const Floats logits = copy(s.prefill(some_ids(5)));
  const auto best = s.sample({}, 0);
  REQUIRE(best);
  for (const float x : logits) CHECK(x <= logits[static_cast<std::size_t>(*best)]);
  CHECK(*s.sample({.temperature = 1, .seed = 3}, 5) == *s.sample({.temperature = 1, .seed = 3}, 5));
  refused(s.sample({.temperature = -1}, 0), errc::invalid_argument, "temperature");
  refused(s.sample({.temperature = 1, .top_p = 2}, 0), errc::invalid_argument, "top_p");
  refused(s.sample({.temperature = 1, .top_k = -2}, 0), errc::invalid_argument, "top_k");
  CHECK(s.length() == 5);

  RandomWeights<Model> broken(2);
  broken.numbers("blocks.1.feed_forward.down.weight")[17] = std::numeric_limits<float>::quiet_NaN();
  auto b = make_session(*broken, one_thread(), {.context = 8});
  REQUIRE(b);
  REQUIRE(b->prefill(Ids{1, 2}));
  for (const double temperature : {0.0, 1.0}) refused(b->sample({.temperature = temperature}, 0), errc::invalid_logits, "NaN");
}

TEST_CASE("session: options") {
  const auto with = [](SessionOptions o) { return make_session(*model(), one_thread(), o); };
  refused(with({.context = -1}), errc::invalid_argument, "context");
  refused(with({.context = (index_t{1} << 32) + 1}), errc::invalid_argument, "context");
  refused(with({.context = 8, .prefill_chunk = 0}), errc::invalid_argument, "prefill_chunk");
  refused(with({.context = 8, .prefill_chunk = -3}), errc::invalid_argument, "prefill_chunk");
  CHECK(start().context() == 64);  // max_sequence_length of the model
  CHECK(start({.context = 1}).context() == 1);
  CHECK(start({.context = 100}).context() == 100);  // longer than the model was trained for: the caller's business
  CHECK(start().vocabulary() == 61);
}

TEST_CASE("session: the planned bytes are the requested ones, all of them come back, and any may be refused") {
  for (const SessionOptions& o : {SessionOptions{}, SessionOptions{.context = 7}, SessionOptions{.context = 33, .prefill_chunk = 5},
                                  SessionOptions{.context = 33, .kv_format = KvFormat::f16}, SessionOptions{.context = 33, .kv_format = KvFormat::q8}}) {
    Memory memory;
    SessionOptions with = o;
    with.memory = &memory;
    {
      auto s = make_session(*model(), one_thread(), with);
      REQUIRE(s);
      CHECK(memory.bytes == memory_plan<Model>(o).total());
      CHECK(memory_plan<Model>(o).kv_cache == KvCache::bytes<Model>(s->context(), o.kv_format));
      const int made = memory.requests;
      CHECK(s->prefill(some_ids(6)));
      CHECK(s->decode(1));
      CHECK(s->sample({.temperature = 1, .top_k = 5, .top_p = 0.5}, 0));
      Session<Model, Cpu> moved = std::move(*s);
      s = std::move(moved);  // back again: nothing is freed twice
      s->rewind(6);
      CHECK(s->decode(1));
      CHECK(memory.requests == made);
    }
    CHECK(memory.returned_all());
    const int requests = memory.requests;
    CHECK(requests >= 2);
    for (int k = 0; k < requests; ++k) {
      Memory failing;
      failing.refuse_at = k;
      with.memory = &failing;
      refused(make_session(*model(), one_thread(), with), errc::out_of_memory, text(memory_plan<Model>(o).total()));
      CHECK(failing.returned_all());
    }
  }
}

TEST_CASE("session: the same bits for any number of threads", "[threads]") {
  const Ids ids = some_ids(40);
  const auto run = [&](int n, KvFormat format) {
    auto s = make_session(*model(), threads(n), {.context = 64, .prefill_chunk = 32, .kv_format = format});
    REQUIRE(s);
    Floats all = copy(s->prefill(ids));
    for (const std::int32_t id : some_ids(5, 4)) {
      const Floats more = copy(s->decode(id));
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  };
  for (const KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::q8}) {
    const Floats one = run(1, format);
    for (const int n : {2, 3, 8}) REQUIRE_SAME_BITS(run(n, format), one);
  }
}

TEST_CASE("session: sessions in several threads share a model and a pool", "[threads]") {
  const Cpu cpu = threads(3);  // one pool; who finds it busy runs all parts himself
  std::vector<Ids> prompts;
  std::vector<Floats> want, got(4);
  for (std::uint64_t i = 0; i < 4; ++i) {
    prompts.push_back(some_ids(30, 20 + i));
    auto s = start({.context = 64});
    Floats all = copy(s.prefill(prompts.back()));
    for (int step = 0; step < 10; ++step) all = copy(s.decode(*s.sample({.temperature = 1, .seed = i}, static_cast<std::uint64_t>(step))));
    want.push_back(all);
  }
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < 4; ++i)
    workers.emplace_back([&, i] {
      for (int repeat = 0; repeat < 3; ++repeat) {
        auto s = make_session(*model(), cpu, {.context = 64});
        if (!s || !s->prefill(prompts[i])) return;
        for (int step = 0; step < 10; ++step)
          if (!s->decode(*s->sample({.temperature = 1, .seed = i}, static_cast<std::uint64_t>(step)))) return;
        got[i].assign(s->logits().begin(), s->logits().end());
      }
    });
  for (auto& w : workers) w.join();
  for (std::size_t i = 0; i < 4; ++i) REQUIRE_SAME_BITS(got[i], want[i]);
}
