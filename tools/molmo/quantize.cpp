// SPDX-License-Identifier: Apache-2.0
// molmo quantize: a model folder again, its matrices in fewer bits.
#include <molmo/run/quantize.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "interrupt.hpp"
#include "json_text.hpp"
#include "loading.hpp"
#include "terminal.hpp"

namespace molmo_tool {

result<int> quantize(const QuantizeArgs& args) {
  QuantizeOptions options;
  const std::optional<FormatId> format = format_named(args.format);
  if (!format) return usage_error(text("--format is ", in_quotes(args.format), "; there are q8, q4, bf16, f16 and f32"));
  options.format = *format;
  if (args.out.empty()) return usage_error("--out is empty; name a new folder");
  if (!args.keep.empty() || !is_block_format(options.format)) options.keep.clear();
  for (std::size_t at = 0; at < args.keep.size();) {
    const std::size_t comma = std::min(args.keep.find(',', at), args.keep.size());
    options.keep.push_back(args.keep.substr(at, comma - at));
    at = comma + 1;
  }
  if (std::erase(options.keep, "none") > 0 && !options.keep.empty())
    return usage_error("--keep none keeps nothing, and cannot stand beside other words");
  options.copy = args.files.copy;
  options.follow_symlinks = args.files.follow_symlinks;
  if (status s = check_folder(args.directory); !s) return fail(s.error());

  const Interrupts interrupts;
  ProgressBar bar(fmt::format("to {}", args.format), interrupts.token());
  options.progress = bar;
  options.stop = interrupts.token();
  const auto start = std::chrono::steady_clock::now();
  const result<QuantizeReport> done = quantize_checkpoint(args.directory, args.out, options);
  bar.clear();
  if (!done) return ended(interrupts, fail(done.error()));  // errc::invalid_argument is --keep: wrong usage
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  Output out;
  if (args.json) {
    JsonText j;
    j.field("from", args.directory);
    j.field("to", args.out);
    j.field("format", args.format);
    j.field("bytes_before", done->bytes_before);
    j.field("bytes_after", done->bytes_after);
    j.field("converted", done->converted);
    j.field("kept", done->kept);
    j.field("others", done->others);
    j.field("vanished", done->vanished);
    j.field("seconds", seconds);
    out.write(j.str());
  } else {
    out.write(fmt::format("{}: {} matrices in {}, {} kept, {} other tensors as they were\n{} -> {} ({:.0f} %) in {}\n",
                          shown(args.out), done->converted, args.format, done->kept, done->others,
                          bytes_text(static_cast<double>(done->bytes_before)),
                          bytes_text(static_cast<double>(done->bytes_after)),
                          100 * static_cast<double>(done->bytes_after) /
                              static_cast<double>(std::max<std::uint64_t>(1, done->bytes_before)),
                          seconds_text(seconds)));
  }
  if (done->vanished > 0)
    fmt::print(stderr, "{}: {} weights became 0: they stood in blocks too small for a scale in f16\n",
               dim("molmo: note", stderr), grouped(static_cast<std::int64_t>(done->vanished)));
  return out.finish();
}

}  // namespace molmo_tool
