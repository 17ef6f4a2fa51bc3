// SPDX-License-Identifier: Apache-2.0
// 06  Embedded in a program with other things to do: a game with two characters who share one model.
//
//   two sessions on one model, each on a thread of its own      a game loop that never waits for them
//   a budget of memory that the program counts itself           cancelling a speech in the middle
//   errors as values: this file is compiled with -fno-exceptions
#include <molmo/cpu.hpp>
#include <molmo/run.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

inline constexpr molmo::LlmConfig shakespeare{
    .d_model = 192, .n_heads = 6, .n_kv_heads = 2, .n_layers = 4, .mlp_hidden_size = 512, .vocab_size = 1024,
    .max_sequence_length = 512, .norm_after = true, .layer_norm_eps = 1e-6,
    .norm_order = molmo::NormOrder::scale_then_cast, .attention_layer_norm = molmo::QkNorm::whole,
    .weight_tying = true};
using Bard = molmo::Llm<shakespeare>;

// A character may remember 256 tokens. What that costs is known while compiling, and can be held against a budget.
constexpr molmo::SessionOptions memory_of_a_character{.context = 256, .prefill_chunk = 64};
static_assert(molmo::memory_plan<Bard>(memory_of_a_character).total() < 2'000'000);

// The game's own memory: counts, and refuses what is over the budget.
class Budget final : public molmo::MemoryResource {
 public:
  explicit Budget(std::size_t limit) : limit_(limit) {}
  void* allocate(std::size_t bytes, std::size_t alignment) noexcept override {
    if (used_.fetch_add(bytes) + bytes <= limit_)
      if (void* p = ::operator new(bytes, std::align_val_t{alignment}, std::nothrow)) return p;
    used_ -= bytes;
    return nullptr;
  }
  void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept override {
    ::operator delete(p, std::align_val_t{alignment});
    used_ -= bytes;
  }
  std::size_t used() const { return used_; }

 private:
  std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

// What a character has said so far: written by the character's thread, read by the game loop.
class SpeechBubble {
 public:
  void add(std::string_view piece) {
    const std::lock_guard lock(mutex_);
    text_ += piece;
  }
  std::string read() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

using Session = molmo::Session<Bard, molmo::Xsimd<>>;

// A character speaks on its own thread. Destroying it, or calling be_quiet(), ends the speech at the next token, and
// while the prompt is read at the next layer.
class Character {
 public:
  Character(std::string name, Session session, const molmo::Tokenizer& words)
      : name_(std::move(name)), session_(std::move(session)), words_(&words) {}

  void speak(std::string prompt, molmo::index_t longest, std::uint64_t seed) {
    thread_ = std::jthread([this, prompt = std::move(prompt), longest, seed](std::stop_token stop) {
      molmo::GenerateOptions options{.max_new = longest, .temperature = 0.8, .top_p = 0.95, .seed = seed};
      options.stop = stop;
      outcome_ = molmo::generate(session_, *words_, prompt, options,
                                 [this](std::string_view piece) { said_.add(piece); });
      done_ = true;
    });
  }
  void be_quiet() { thread_.request_stop(); }
  void wait() {
    if (thread_.joinable()) thread_.join();
  }

  const std::string& name() const { return name_; }
  const SpeechBubble& said() const { return said_; }
  bool done() const { return done_; }
  /// After wait().
  const molmo::result<molmo::Generated>& outcome() const { return outcome_; }

 private:
  std::string name_;
  Session session_;
  const molmo::Tokenizer* words_;
  SpeechBubble said_;
  molmo::result<molmo::Generated> outcome_ = molmo::Generated{};
  std::atomic<bool> done_{false};
  std::jthread thread_;  // last: it stops before the rest is gone
};

int report(const char* what, const molmo::error& e) {
  std::fprintf(stderr, "%s: %s\n", what, e.message.c_str());
  return 1;
}

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const std::string folder = argc > 1 ? argv[1] : "models/shakespeare";

  // The model is mapped from its files and only read: every session may use it, on every thread, at the same time.
  const auto model = molmo::load<Bard>(folder);
  if (!model) return report("no model", model.error());
  const auto words = molmo::Tokenizer::from_file(folder + "/tokenizer.json");
  if (!words) return report("no tokenizer", words.error());

  // Room for two characters, not for three.
  Budget budget(2 * molmo::memory_plan<Bard>(memory_of_a_character).total() + 1000);
  molmo::SessionOptions options = memory_of_a_character;
  options.memory = &budget;
  const molmo::Xsimd cpu;  // each character thinks on its own thread only
  auto first = molmo::make_session(*model, cpu, options);
  if (!first) return report("no session", first.error());
  auto second = molmo::make_session(*model, cpu, options);
  if (!second) return report("no session", second.error());
  const auto third = molmo::make_session(*model, cpu, options);
  if (third || third.error().code != molmo::errc::out_of_memory) return 1;
  std::printf("two characters take %zu bytes; a third: %s\n", budget.used(), third.error().message.c_str());

  Character host("HOSTESS", std::move(*first), *words);
  Character ghost("GHOST", std::move(*second), *words);
  const std::size_t used = budget.used();
  host.speak("HOSTESS:\n", 40, 1);
  ghost.speak("GHOST:\n", 100'000, 2);  // would talk until his memory is full

  // The game loop: looks at what has been said and goes on.
  int frames = 0;
  while (!host.done() || ghost.said().read().size() < 20) {
    if (ghost.done()) break;
    ++frames;  // update, draw ...
    std::this_thread::sleep_for(2ms);
  }
  ghost.be_quiet();
  host.wait();
  ghost.wait();

  bool right = budget.used() == used;  // speaking allocates nothing from the budget
  for (const Character* c : {&host, &ghost}) {
    if (!c->outcome()) return report(c->name().c_str(), c->outcome().error());
    std::printf("\n%s (%td words of %s)\n%s\n", c->name().c_str(), c->outcome()->new_tokens,
                c->outcome()->reason == molmo::StopReason::stop_token ? "a speech cut short" : "the speech",
                c->said().read().c_str());
    right = right && c->outcome()->new_tokens > 0;
  }
  std::printf("\n%d frames were drawn meanwhile\n", frames);
  right = right && host.outcome()->new_tokens <= 40 && frames > 0;
  return right ? 0 : 1;
}
