// SPDX-License-Identifier: Apache-2.0
// Fuzzes quantize_checkpoint with the writer behind it: what comes out loads exactly where what goes in does, and a
// refusal leaves nothing. folder.hpp says what an input looks like; bits of its first byte choose the format and what
// is kept.
#include "folder.hpp"
#include "fuzz.hpp"
#include "growth.hpp"

#include <molmo/run/quantize.hpp>
#include <molmo/run/weights.hpp>

#include <cmath>
#include <vector>

using namespace molmo;
using molmo_fuzz::expect;

namespace {

using Tiny = Llm<molmo_fuzz::tiny>;

/// Every weight, read where the loader put it.
void check_weights(Loaded<Tiny>& loaded) {
  Tiny model = loaded.model();
  std::vector<float> row(64);
  double sum = 0;
  model.each_parameter([&]<class P>(const std::string&, P& parameter) {
    if constexpr (requires { parameter.matrix(); }) {
      const WeightMatrix m = parameter.matrix();
      for (index_t r = 0; r < m.rows; ++r) {
        read_row(m, r, row.data());
        for (index_t c = 0; c < m.cols; ++c) sum += static_cast<double>(row[static_cast<std::size_t>(c)]);
      }
    }
  });
  expect(std::isnan(sum) || sum == sum, "weights are readable");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static molmo_fuzz::Folder folder;
  if (size == 0) return 0;
  const std::size_t bytes = folder.fill({reinterpret_cast<const char*>(data) + 1, size - 1});
  const molmo_fuzz::Growth growth(bytes);
  QuantizeOptions options{.format = static_cast<FormatId>((data[0] & 15) % Formats::size)};
  if ((data[0] & 16) != 0) options.keep = {"down_proj"};
  if ((data[0] & 32) != 0) options.keep.clear();
  const std::string to = folder.other();
  const result<QuantizeReport> done = quantize_checkpoint(folder.model(), to, options);
  if (!done) {
    molmo_fuzz::expect_message(done.error().message);
    expect(!std::filesystem::exists(to), "a refusal leaves nothing");
    return 0;
  }
  const result<Checkpoint> before = Checkpoint::open(folder.model()), after = Checkpoint::open(to);
  expect(before.has_value() && after.has_value(), "what was written can be opened");
  expect(before->bytes() == done->bytes_before && after->bytes() == done->bytes_after, "the report is right");
  expect(done->converted + done->kept + done->others == before->tensors().size(), "every tensor is counted");
  const auto again = quantize_checkpoint(folder.model(), to, options);
  expect(!again && again.error().code == errc::io, "nothing is overwritten");
  result<Loaded<Tiny>> old_one = load<Tiny>(folder.model()), new_one = load<Tiny>(to);
  if (!old_one) molmo_fuzz::expect_report(old_one.error().message);
  if (!new_one) molmo_fuzz::expect_report(new_one.error().message);
  expect(old_one.has_value() == new_one.has_value(), "the new folder loads where the old one does");
  if (new_one) check_weights(*new_one);
  std::error_code e;
  std::filesystem::remove_all(to, e);
  return 0;
}
