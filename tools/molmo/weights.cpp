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
#include <vector>

namespace molmo_tool {
namespace {

template <class P>
inline constexpr bool is_matrix = false;
template <class S>
inline constexpr bool is_matrix<Weight<S>> = true;

// What a decode step reads of a model's weights, filled panels and scales included.
template <class M>
std::uint64_t read_per_token(M model) {
  index_t sum = 0;
  model.each_parameter([&]<class P>(const std::string& name, const P& parameter) {
    if ((name == "embedding.weight" && !M::config.weight_tying) || name == "new_embedding.weight") return;
    if constexpr (is_matrix<P>) {
      const WeightMatrix m = parameter.matrix();
      const PanelBytes size = panel_bytes(m.format, m.rows, m.cols);
      sum += m.layout == Layout::panels ? size.data + size.scales : m.rows * m.row_bytes();
    } else {
      sum += P::shape::cols * static_cast<index_t>(sizeof(float));
    }
  });
  return static_cast<std::uint64_t>(sum);
}

template <class M>
struct LoadedWeights final : Weights {
  explicit LoadedWeights(Loaded<M> l) : loaded(std::move(l)) {
    model = &loaded.model();
    bytes = loaded.checkpoint().bytes();
    read_per_token = molmo_tool::read_per_token(loaded.model());
  }
  Loaded<M> loaded;
};

template <class M>
struct DrawnWeights final : Weights {
  DrawnWeights() { model = &drawn; }
  Arena arena{};
  M drawn{};
};

// Where a drawn matrix lies, as load() would place it: blocks and small models in panels.
Layout layout_of(FormatId format, std::uint64_t model_bytes) {
  return is_block_format(format) || model_bytes < LoadOptions{}.pack_below ? Layout::panels : Layout::rows;
}

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

// Draws `rows` rows of a matrix into `to`, row after row.
template <WeightFormat F>
void fill_rows(std::byte* to, index_t rows, index_t cols, std::vector<float>& row, std::uint64_t& state) {
  const float spread = std::sqrt(3.0f / static_cast<float>(cols));
  if constexpr (PlainFormat<F>) {
    fill_uniform(reinterpret_cast<typename F::element*>(to), static_cast<std::size_t>(rows * cols), 0, spread, state);
  } else {
    row.resize(static_cast<std::size_t>(cols));
    for (index_t r = 0; r < rows; ++r) {
      fill_uniform(row.data(), row.size(), 0, spread, state);
      encode_row<F>(row.data(), cols, to + r * format_bytes<F>(cols));
    }
  }
}

template <LlmConfig C>
result<std::unique_ptr<Weights>> draw_one(FormatId format, std::uint64_t available, const ProgressSink& progress) {
  auto self = std::make_unique<DrawnWeights<Llm<C>>>();
  const auto bytes =
      static_cast<std::uint64_t>(with_format(format, []<class F>(F) { return Llm<C>::template weight_bytes<F>(); }));
  const Layout layout = layout_of(format, bytes);
  const auto part = [](index_t count) { return Arena::padded<std::byte>(static_cast<std::size_t>(count)); };
  std::size_t room = 0;
  self->drawn.each_parameter([&]<class P>(const std::string&, P&) {
    constexpr index_t rows = P::shape::static_rows, cols = P::shape::cols;
    if constexpr (is_matrix<P>) {
      const PanelBytes size = panel_bytes(format, layout == Layout::panels ? rows : panel_rows, cols);
      room += layout == Layout::panels ? part(size.data) + part(size.scales) : part(rows * (size.data / panel_rows));
    } else {
      room += Arena::padded<float>(static_cast<std::size_t>(cols));
    }
  });
  if (room <= available) self->arena = Arena(room, &huge_pages());
  if (!self->arena.ok())
    return fail(errc::out_of_memory, text("the weights take ", room >> 20, " MiB, but only ", available >> 20,
                                          " MiB of memory are available"));
  self->bytes = room;
  std::uint64_t state = 1;
  std::vector<float> row;
  std::vector<std::byte> rows_of_panel;
  std::uint64_t done = 0;
  bool go_on = true;
  self->drawn.each_parameter([&]<class P>(const std::string& name, P& parameter) {
    constexpr index_t rows = P::shape::static_rows, cols = P::shape::cols;
    if constexpr (is_matrix<P>) {
      WeightMatrix m{nullptr, format, rows, cols, layout, nullptr};
      const PanelBytes size = panel_bytes(format, rows, cols);
      const index_t row_bytes = m.row_bytes();
      std::byte* data = self->arena.template take<std::byte>(
          static_cast<std::size_t>(layout == Layout::panels ? size.data : rows * row_bytes));
      std::byte* scales =
          size.scales ? self->arena.template take<std::byte>(static_cast<std::size_t>(size.scales)) : nullptr;
      rows_of_panel.resize(static_cast<std::size_t>(panel_rows * row_bytes));
      with_format(format, [&]<class F>(F) {
        for (index_t first = 0; first < rows && go_on; first += panel_rows) {
          const index_t here = rows - first < panel_rows ? rows - first : panel_rows;
          if (layout == Layout::rows) {
            fill_rows<F>(data + first * row_bytes, here, cols, row, state);
          } else {
            const PanelBytes before = panel_bytes(format, first, cols);
            fill_rows<F>(rows_of_panel.data(), here, cols, row, state);
            pack_panels({rows_of_panel.data(), format, here, cols}, data + before.data,
                        scales ? scales + before.scales : nullptr);
          }
          done += static_cast<std::uint64_t>(here * row_bytes);
          go_on = progress.report({name, done, bytes});
        }
      });
      m.data = data, m.scales = scales;
      parameter = P(m);
    } else {
      auto* to = self->arena.template take<float>(static_cast<std::size_t>(cols));
      fill_uniform(to, static_cast<std::size_t>(cols), name.ends_with("weight") ? 1.0f : 0.0f, 0.1f, state);
      parameter = P(to);
    }
  });
  if (!go_on) return fail(errc::cancelled, "interrupted while drawing weights");
  self->read_per_token = molmo_tool::read_per_token(self->drawn);
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

result<std::unique_ptr<Weights>> draw_weights(std::size_t index, FormatId format, std::uint64_t available,
                                              const ProgressSink& progress) {
  static constexpr auto drawers = drawers_of(Configs{});
  return drawers[index](format, available, progress);
}

}  // namespace molmo_tool
