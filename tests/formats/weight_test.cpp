// SPDX-License-Identifier: Apache-2.0
// The weight formats: what a format must have, their numbers and names, decoding of every 16-bit pattern, slices of
// matrices.
#include <molmo/core/tensor.hpp>
#include <molmo/formats/weight.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

using namespace molmo;

namespace {

// Four weights in two bytes: a scale and four signs. A format of one's own: it needs nothing but the contract.
struct Signs {
  static constexpr const char* name = "signs";
  static constexpr index_t block = 4, bytes = 2;
  static void decode(const std::byte* p, float* out) {
    const float scale = static_cast<float>(std::to_integer<int>(p[0]));
    for (int i = 0; i < 4; ++i) out[i] = (std::to_integer<unsigned>(p[1]) >> i) & 1u ? -scale : scale;
  }
};
static_assert(WeightFormat<Signs> && WeightFormat<F32> && WeightFormat<Bf16> && WeightFormat<F16>);
static_assert(WeightFormat<Q8> && WeightFormat<Q4> && !WeightFormat<float>);
static_assert(PlainFormat<F32> && PlainFormat<Bf16> && PlainFormat<F16> && !PlainFormat<Q8> && !PlainFormat<Signs>);
static_assert(BlockFormat<Q8> && BlockFormat<Q4> && !BlockFormat<F32> && !BlockFormat<Signs>);
static_assert(format_bytes<Q8>(64) == 68 && format_bytes<Q8>(65) == 102 && format_bytes<Q4>(33) == 36);
static_assert(format_bytes<F32>(10) == 40 && format_bytes<Bf16>(10) == 20 && format_bytes<F16>(10) == 20 && format_bytes<Signs>(8) == 4);

}  // namespace

TEST_CASE("formats: number, name and type belong together") {
  CHECK(Formats::size == 5);
  CHECK(std::string(format_name(format_id<F32>)) == "f32");
  CHECK(std::string(format_name(format_id<Bf16>)) == "bf16");
  CHECK(std::string(format_name(format_id<F16>)) == "f16");
  CHECK(std::string(format_name(format_id<Q8>)) == "q8");
  CHECK(std::string(format_name(format_id<Q4>)) == "q4");
  CHECK(std::string(format_name(FormatId{Formats::size})) == "unknown");
  CHECK(std::string(format_name(FormatId{255})) == "unknown");
  CHECK(std::string(format_name(FormatId{-2})) == "unknown");
  CHECK(!format_named("unknown"));
  CHECK((FormatId() == format_id<F32> && format_id<Q8> != format_id<Q4>));
  for (int i = 0; i < Formats::size; ++i)
    with_format(static_cast<FormatId>(i), [&]<class F>(F) { CHECK(static_cast<int>(format_id<F>) == i); });
}

TEST_CASE("formats: one of your own has traits instead of a number") {
  const FormatId signs = format_id<Signs>;
  CHECK((signs.own() != nullptr && !is_listed(signs) && static_cast<int>(signs) == -1));
  CHECK((is_listed(format_id<Q4>) && !is_listed(FormatId{Formats::size})));
  CHECK(std::string(format_name(signs)) == "signs");
  CHECK((signs == FormatId(*signs.own()) && signs != format_id<F32> && signs != FormatId{-1}));
  FormatTraits again = *signs.own(), other = again;  // as another shared library would have them
  again.name = std::string_view("signs").data();
  other.name = "sings";
  CHECK((signs == FormatId(again) && signs != FormatId(other)));
  CHECK((blocks_of(signs, 9) == 3 && bytes_of(signs, 9) == 6));
  CHECK((blocks_of(format_id<Q8>, 33) == 2 && bytes_of(format_id<Q8>, 33) == 68));

  const std::vector<std::byte> bytes(5 * 4);
  const WeightMatrix m{bytes.data(), signs, 5, 7};
  CHECK((m.row_bytes() == 4 && m.slice(2, 3).data == bytes.data() + 8 && m.slice(2, 3).format == signs));
}

TEST_CASE("formats: every 16-bit pattern decodes to its value, from any address") {
  std::byte memory[3];
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const std::uint16_t stored = static_cast<std::uint16_t>(bits);
    std::memcpy(memory + 1, &stored, 2);  // not aligned
    float got_bf16, got_f16;
    Bf16::decode(memory + 1, &got_bf16);
    F16::decode(memory + 1, &got_f16);
    float want_bf16;
    const std::uint32_t upper = bits << 16;
    std::memcpy(&want_bf16, &upper, 4);
    const int exponent = static_cast<int>((bits >> 10) & 31), fraction = static_cast<int>(bits & 1023);
    const float sign = bits >> 15 ? -1.0f : 1.0f;
    const float want_f16 = exponent == 31 ? (fraction ? std::nanf("") : INFINITY)
                           : exponent     ? std::ldexp(1.0f + static_cast<float>(fraction) / 1024.0f, exponent - 15)
                                          : std::ldexp(static_cast<float>(fraction), -24);
    if (!(std::isnan(want_bf16) ? std::isnan(got_bf16) : std::memcmp(&got_bf16, &want_bf16, 4) == 0)) FAIL("bf16 " << bits);
    const float signed_f16 = sign * want_f16;
    if (!(std::isnan(want_f16) ? std::isnan(got_f16) : std::memcmp(&got_f16, &signed_f16, 4) == 0)) FAIL("f16 " << bits);
  }
  SUCCEED();
}

TEST_CASE("slices: what is outside the matrix, and cuts inside a panel, are refused") {
  const std::vector<std::byte> bytes(48 * 8 * 4), scales(48 * 2);
  const WeightMatrix rows{bytes.data(), format_id<F32>, 48, 8};
  WeightMatrix panels = rows;
  panels.layout = Layout::panels;
  CHECK(rows.slice(24, 24).data == bytes.data() + 24 * 8 * 4);
  CHECK(panels.slice(16, 24).data == bytes.data() + 16 * 8 * 4);
  CHECK(panels.slice(32, 7).rows == 7);
  for (const index_t first : {1, 8, 15, 24, 40}) CHECK_THROWS_AS((void)panels.slice(first, 8), contract_error);
  const WeightMatrix q8{bytes.data(), format_id<Q8>, 48, 32, Layout::panels, scales.data()};
  CHECK_THROWS_AS((void)q8.slice(24, 24), contract_error);
  for (const WeightMatrix& m : {rows, panels}) {
    CHECK_THROWS_AS((void)m.slice(0, 49), contract_error);
    CHECK_THROWS_AS((void)m.slice(-16, 16), contract_error);
    CHECK_THROWS_AS((void)m.slice(64, 0), contract_error);
    CHECK_THROWS_AS((void)m.slice(0, -1), contract_error);
    CHECK(m.slice(48, 0).rows == 0);
  }
}

TEST_CASE("rows<First, Count>(w): a part of a fused weight, its size in the type; a cut inside a panel is refused") {
  const std::vector<std::byte> bytes(48 * 32 * 2), scales(48 * 2);
  const Weight<Shape<48, 8>> w(WeightMatrix{bytes.data(), format_id<F32>, 48, 8});
  const auto part = rows<24, 20>(w);
  static_assert(std::is_same_v<decltype(part), const Weight<Shape<20, 8>>>);
  CHECK(part.data == bytes.data() + 24 * 8 * 4);
  CHECK(part.format == format_id<F32>);
  CHECK(rows<1, 4>(part).data == bytes.data() + 25 * 8 * 4);
  const Weight<Shape<48, 32>> q8(WeightMatrix{bytes.data(), format_id<Q8>, 48, 32, Layout::panels, scales.data()});
  const auto last = rows<32, 16>(q8);
  CHECK((last.layout == Layout::panels && last.data == bytes.data() + 32 * 32 && last.scales == scales.data() + 32 * 2));
  CHECK_THROWS_AS((void)(rows<24, 16>(q8)), contract_error);
}

TEST_CASE("weights: rows in bytes, slices, and the format of a tensor's elements") {
  const std::vector<std::byte> bytes(200);
  const WeightMatrix m{bytes.data(), format_id<Bf16>, 10, 7};
  CHECK(m.row_bytes() == 14);
  const WeightMatrix part = m.slice(3, 4);
  CHECK(part.data == bytes.data() + 42);
  CHECK((part.rows == 4 && part.cols == 7 && part.format == m.format));
  const WeightMatrix again = part.slice(1, 2);
  CHECK(again.data == bytes.data() + 56);

  Tensor<float, 2, 3> f;
  Tensor<bf16, 2, 3> b;
  Tensor<f16, 2, 3> h;
  const Weight<Shape<2, 3>> wf(f.view()), wb(b.view()), wh(h.view());
  CHECK((wf.format == format_id<F32> && wb.format == format_id<Bf16> && wh.format == format_id<F16>));
  CHECK((wf.matrix().rows == 2 && wf.matrix().cols == 3 && wf.matrix().data == reinterpret_cast<const std::byte*>(f.data())));
  CHECK(Weight<Shape<2, 3>>().data == nullptr);
}
