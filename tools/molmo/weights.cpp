// SPDX-License-Identifier: Apache-2.0
// Weights of the compiled-in models, loaded or drawn. Only here are the loaders instantiated.
//
// Drawn matrices are uniform with the standard deviation 1 / sqrt(inputs), so that activations neither vanish nor
// explode and no multiplication meets zeros or denormal numbers; norm weights are 1 give or take, biases small.
#include "config_list.hpp"
#include "models.hpp"

#include <molmo/run/weights.hpp>

#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace molmo_tool {
namespace {

template <class M>
struct LoadedWeights final : Weights {
  explicit LoadedWeights(Loaded<M> l) : loaded(std::move(l)) {
    model = &loaded.model();
    bytes = loaded.checkpoint().bytes();
  }
  Loaded<M> loaded;
};

template <class M>
struct DrawnWeights final : Weights {
  DrawnWeights() { model = &drawn; }
  Arena arena{};
  M drawn{};
};

template <LlmConfig C>
result<std::unique_ptr<Weights>> load_one(const std::string& directory, const LoadOptions& options) {
  result<Loaded<Llm<C>>> loaded = load<Llm<C>>(directory, options);
  if (!loaded) return fail(loaded.error());
  return std::unique_ptr<Weights>(std::make_unique<LoadedWeights<Llm<C>>>(std::move(*loaded)));
}

std::uint64_t next(std::uint64_t& state) {  // splitmix64
  std::uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

template <class T>
void fill_uniform(T* to, std::size_t count, float centre, float spread, std::uint64_t& state) {
  for (std::size_t i = 0; i < count; i += 4) {
    const std::uint64_t bits = next(state);
    for (std::size_t k = 0; k < 4 && i + k < count; ++k)
      to[i + k] = static_cast<T>(centre +
                                 spread * (static_cast<float>(static_cast<std::int16_t>(bits >> (16 * k))) / 32768.0f));
  }
}

template <class P>
inline constexpr bool is_matrix = false;
template <class S>
inline constexpr bool is_matrix<Weight<S>> = true;

template <LlmConfig C>
result<std::unique_ptr<Weights>> draw_one(FormatId format, std::uint64_t available) {
  auto self = std::make_unique<DrawnWeights<Llm<C>>>();
  std::size_t room = 0;
  const auto each = static_cast<std::size_t>(with_format(format, []<class F>(F) { return F::bytes; }));
  self->drawn.each_parameter([&]<class P>(const std::string&, P&) {
    constexpr auto n = static_cast<std::size_t>(P::shape::static_rows * P::shape::cols);
    room += is_matrix<P> ? Arena::padded<std::byte>(n * each) : Arena::padded<float>(n);
  });
  if (room <= available) self->arena = Arena(room);
  if (!self->arena.ok())
    return fail(errc::out_of_memory, text("the weights take ", room >> 20, " MiB, but only ", available >> 20,
                                          " MiB of memory are available"));
  self->bytes = room;
  std::uint64_t state = 1;
  self->drawn.each_parameter([&]<class P>(const std::string& name, P& parameter) {
    constexpr auto n = static_cast<std::size_t>(P::shape::static_rows * P::shape::cols);
    if constexpr (is_matrix<P>) {
      auto* to = self->arena.template take<std::byte>(n * each);
      with_format(format, [&]<class F>(F) {
        fill_uniform(reinterpret_cast<typename F::element*>(to), n, 0,
                     std::sqrt(3.0f / static_cast<float>(P::shape::cols)), state);
      });
      parameter = P(to, format);
    } else {
      auto* to = self->arena.template take<float>(n);
      fill_uniform(to, n, name.ends_with("weight") ? 1.0f : 0.0f, 0.1f, state);
      parameter = P(to);
    }
  });
  return std::unique_ptr<Weights>(std::move(self));
}

template <LlmConfig... C>
constexpr auto loaders_of(ConfigList<C...>) {
  return std::array{&load_one<C>...};
}
template <LlmConfig... C>
constexpr auto drawers_of(ConfigList<C...>) {
  return std::array{&draw_one<C>...};
}

}  // namespace

result<std::unique_ptr<Weights>> load_weights(std::size_t index, const std::string& directory,
                                              const LoadOptions& options) {
  static constexpr auto loaders = loaders_of(Configs{});
  return loaders[index](directory, options);
}

result<std::unique_ptr<Weights>> draw_weights(std::size_t index, FormatId format, std::uint64_t available) {
  static constexpr auto drawers = drawers_of(Configs{});
  return drawers[index](format, available);
}

}  // namespace molmo_tool
