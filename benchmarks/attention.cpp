// SPDX-License-Identifier: Apache-2.0
// Attention at the heads of real models, for decode (one new token) and prefill, in every format of the KV cache:
//
//   molmo_bench_attention [--threads N] [--shape 32x8x128,...] [--tokens 1,512] [--past 0,511] [--format f32,...]
//   molmo_bench_attention --masks [--shape 12x12x64] [--tokens 512,2048] [--past 0]     in turn with the causal loop
// A shape is query heads x kv heads x head size. GFLOP/s counts q . k and p . v of the visible keys, GB/s the visible
// part of the cache once. The share of the limit takes the larger of flops / multiply-add peak, measured in turn with
// the call, and bytes / read bandwidth of a table as large as the cache, measured in this run.
#include "common.hpp"

#include <molmo/bench/latency.hpp>
#include <molmo/ops/attention/cpu.hpp>
#include <molmo/ops/attention/cpu_masked.hpp>
#include <molmo/ops/attention/sparse_masks.hpp>
#include <molmo/ops/costs.hpp>

#include <map>
#include <optional>

using namespace molmo;
using namespace bench;

namespace {

struct Shape3 {
  index_t heads, kv_heads, head_dim;
};
struct Work {
  double flops, bytes;
};

// A cache of one layer, filled with numbers.
struct Cache {
  AlignedBytes k, v, k_scales, v_scales;
  KvHeads heads;

  Cache(const Shape3& s, index_t positions, KvFormat format) {
    heads.room = kv_room(positions), heads.head_dim = s.head_dim, heads.format = format;
    const auto rows = static_cast<std::size_t>(s.kv_heads * heads.room);
    const auto bytes = rows * static_cast<std::size_t>(s.head_dim * kv_element_bytes(format)) + 64;
    k = AlignedBytes::zeroed(bytes, 1), v = AlignedBytes::zeroed(bytes, 1);
    k_scales = AlignedBytes::zeroed(rows, sizeof(float)), v_scales = AlignedBytes::zeroed(rows, sizeof(float));
    if (!ok()) return;
    heads.k = k.data(), heads.v = v.data();
    heads.k_scales = reinterpret_cast<float*>(k_scales.data());
    heads.v_scales = reinterpret_cast<float*>(v_scales.data());
    std::vector<float> head(static_cast<std::size_t>(s.head_dim));
    std::uint32_t bits = 1;
    for (index_t h = 0; h < s.kv_heads; ++h)
      for (index_t j = 0; j < positions; ++j) {
        for (float& x : head) x = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
        store_key(heads, h, j, head.data());
        store_value(heads, h, j, head.data());
      }
  }
  [[nodiscard]] bool ok() const { return k.size() && v.size() && k_scales.size() && v_scales.size(); }
};

// Attention with masks and score edits over an f32 cache, each in turn with the causal loop that models run. The last
// column is the time for each pair of a query and a key that is seen, over that of the causal loop.
void compare_masks(const Xsimd<>& cpu, Report& report, const TimingOptions& timing, const Shape3& s, index_t n,
                   index_t past) {
  const Cache cache(s, past + n, KvFormat::f32);
  if (!cache.ok()) return;
  const index_t width = s.heads * s.head_dim, keys = past + n;
  std::vector<float> q(static_cast<std::size_t>(n * width)), out(q.size()), slopes(static_cast<std::size_t>(s.heads));
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(i % 17) / 17 - 0.5f;
  alibi_slopes(s.heads, slopes.data());
  std::vector<float> scratch(attention_scratch(n, s.heads, s.kv_heads, s.head_dim) + 1);
  AttentionRows rows;
  rows.q = q.data(), rows.out = out.data(), rows.kv = cache.heads, rows.tokens = n, rows.past = past;
  rows.n_heads = s.heads, rows.n_kv_heads = s.kv_heads, rows.q_token = width, rows.out_token = width;
  rows.scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim)), rows.scratch = scratch.data();
  AttentionOperands a;
  a.q = HeadRows<const float>::dense(q.data(), n, s.heads, s.head_dim);
  a.out = HeadRows<float>::dense(out.data(), n, s.heads, s.head_dim);
  a.scale = rows.scale;
  read_cache(a, cache.heads, s.kv_heads, keys);

  const auto row = [&](const char* name, const auto& mask, const auto& edit) {
    const auto causal_loop = [&] {
      attention(cpu, rows);
      keep(out.data());
    };
    const auto masked = [&] {
      attention(cpu, a, mask, edit);
      keep(out.data());
    };
    const auto [usual, t] = time_in_turn(timing, causal_loop, masked);
    const auto pairs = static_cast<double>(seen_pairs(mask, past, n, keys));
    const double ratio = t.median / usual.median;
    report.row({word("heads     ", fmt::format("{}x{}x{}", s.heads, s.kv_heads, s.head_dim)),
                number("tokens", static_cast<double>(n), 0), number("past", static_cast<double>(past), 0),
                word("mask and scores     ", name), word("us [min - max]             ", with_extremes(t, 1e6)),
                number("% of causal pairs", 100 * pairs / causal_pairs(n, past)), number("/ causal loop", ratio, 3),
                number("per pair", ratio * causal_pairs(n, past) / pairs, 3)});
  };
  std::vector<std::int32_t> ids(static_cast<std::size_t>(keys));
  for (index_t i = 0; i < keys; ++i) ids[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i / 300);
  const index_t block = 128, columns = (keys + block - 1) / block;
  std::vector<std::uint8_t> map(static_cast<std::size_t>(columns * columns));
  std::uint32_t bits = 1;
  for (std::uint8_t& seen : map) seen = ((bits = bits * 1664525u + 1013904223u) >> 8) % 100 < 12;
  row("causal", causal, score);
  row("causal, window 1024", causal && within(1024), score);
  row("causal, documents", causal && documents(ids.data()), score);
  row("prefix 256", causal || prefix(256), score);
  row("12 % of the blocks", blocks(map.data(), block, block, columns), score);
  row("causal, softcap", causal, softcap(score, 50));
  row("causal, ALiBi", causal, alibi(slopes.data()));
}

}  // namespace

int main(int argc, char** argv) {
  Options options(argc, argv, "Attention at the heads of real models.");
  const int threads = static_cast<int>(options.get("--threads", 1, "threads"));
  const std::string shapes =
      options.get("--shape", "8x4x8,6x6x48,12x12x64,32x8x64,32x8x128", "query heads x kv heads x head size");
  const std::string tokens = options.get("--tokens", "1,512", "new tokens");
  const std::string pasts = options.get("--past", "0,255,2047", "positions before them");
  const std::string formats = options.get("--format", "", "f32, f16, bf16, q8");
  const long batches = options.get("--batches", 31, "measurements of which the median is taken");
  const bool free = options.flag("--no-pin", "let the system place the threads");
  const bool masks = options.flag("--masks", "masks and score edits, each in turn with the causal loop");
  const bool json = options.flag("--json", "a JSON array instead of tables");
  options.done();

  const Xsimd<> cpu{threads};
  std::optional<PinThreads<Xsimd<>>> pin;
  if (!free) pin.emplace(cpu);
  Report report(json);
  const Machine machine = measure_machine(cpu, Effort::quick);
  report_machine(report, machine);
  TimingOptions timing;
  timing.batches = static_cast<int>(batches);
  std::map<index_t, double> read_rates;
  report.title(fmt::format("Attention, {} thread{}", cpu.threads(), cpu.threads() == 1 ? "" : "s"));
  for (const std::string& text : pieces(shapes)) {
    const auto sizes = pieces(text, 'x');
    const Shape3 s{std::atol(sizes.at(0).c_str()), std::atol(sizes.at(1).c_str()), std::atol(sizes.at(2).c_str())};
    if (masks) {
      for (const std::string& token_text : pieces(tokens))
        for (const std::string& past_text : pieces(pasts))
          compare_masks(cpu, report, timing, s, std::atol(token_text.c_str()), std::atol(past_text.c_str()));
      continue;
    }
    for (const std::string& token_text : pieces(tokens))
      for (const std::string& past_text : pieces(pasts))
        for (const KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::q8}) {
          const index_t n = std::atol(token_text.c_str()), past = std::atol(past_text.c_str());
          if (!chosen(formats, kv_format_name(format)) || (n == 1 && past == 0)) continue;
          const Cache cache(s, past + n, format);
          if (!cache.ok()) continue;
          const index_t width = s.heads * s.head_dim;
          std::vector<float> q(static_cast<std::size_t>(n * width)), out(q.size());
          for (std::size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(i % 17) / 17 - 0.5f;
          std::vector<float> scratch(attention_scratch(n, s.heads, s.kv_heads, s.head_dim) + 1);
          AttentionRows a;
          a.q = q.data(), a.out = out.data(), a.kv = cache.heads, a.tokens = n, a.past = past;
          a.n_heads = s.heads, a.n_kv_heads = s.kv_heads, a.q_token = width, a.out_token = width;
          a.scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim)), a.scratch = scratch.data();

          const double pairs = static_cast<double>(n) * (static_cast<double>(past) + static_cast<double>(n + 1) / 2);
          const index_t row = s.head_dim * kv_element_bytes(format) + (format == KvFormat::q8 ? 4 : 0);
          const index_t bytes = 2 * s.kv_heads * (past + n) * row;
          const Work work{4 * pairs * static_cast<double>(width), static_cast<double>(bytes)};
          auto [rate, fresh] = read_rates.try_emplace(bytes);
          if (fresh) rate->second = measure_read(cpu, static_cast<std::size_t>(bytes), Effort::quick).median;
          const auto call = [&] {
            attention(cpu, a);
            keep(out.data());
          };
          constexpr long steps = 2000;
          const auto peak = [&] { cpu.parallel([](int, int) { keep(detail::fma_work<Lanes<>>(steps)); }); };
          const auto [t, p] = time_in_turn(timing, call, peak);
          const double flops = 2.0 * detail::fma_chains * steps * Lanes<>::size * cpu.threads() / p.median;
          const Share share = share_of_limit(work, t.median, {flops, rate->second});
          report.row({word("heads     ", text), number("tokens", static_cast<double>(n), 0),
                      number("past", static_cast<double>(past), 0), word("cache", kv_format_name(format)),
                      word("us [min - max]             ", with_extremes(t, 1e6)),
                      number("GFLOP/s", work.flops / t.median / 1e9), number("GB/s", work.bytes / t.median / 1e9),
                      number("% of limit", 100 * share.of_limit, 0),
                      word("limit ", share.by_arithmetic ? "flops" : "bytes")});
        }
  }
  return 0;
}
