// SPDX-License-Identifier: Apache-2.0
// What the benchmarks share: options, pinned threads, aligned tables in markdown, a line per result in JSON.
#pragma once

#include <molmo/bench/machine.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// `--name value` and `--name`, with the texts of --help.
class Options {
 public:
  Options(int argc, char** argv, std::string_view about) : args_(argv + 1, argv + argc), about_(about) {}

  std::string get(std::string_view name, std::string fallback, std::string_view help) {
    help_ += fmt::format("  {:<20} {} (default: {})\n", name, help, fallback.empty() ? "all" : fallback);
    for (std::size_t i = 0; i < args_.size(); ++i)
      if (args_[i] == name) {
        used_.resize(args_.size());
        used_[i] = true;
        if (i + 1 == args_.size()) fail(fmt::format("{} needs a value", name));
        used_[i + 1] = true;
        return std::string(args_[i + 1]);
      }
    return fallback;
  }
  long get(std::string_view name, long fallback, std::string_view help) {
    const std::string text = get(name, std::to_string(fallback), help);
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
      fail(fmt::format("{} needs a whole number, not '{}'", name, text));
    return value;
  }
  bool flag(std::string_view name, std::string_view help) {
    help_ += fmt::format("  {:<20} {}\n", name, help);
    for (std::size_t i = 0; i < args_.size(); ++i)
      if (args_[i] == name) {
        used_.resize(args_.size());
        return used_[i] = true;
      }
    return false;
  }
  /// After the last question: prints the help and ends, or refuses what nobody asked for.
  void done() {
    used_.resize(args_.size());
    for (std::size_t i = 0; i < args_.size(); ++i) {
      if (args_[i] == "--help") {
        fmt::print("{}\n{}", about_, help_);
        std::exit(0);
      }
      if (!used_[i]) fail(fmt::format("unknown option '{}'; see --help", args_[i]));
    }
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    fmt::print(stderr, "{}\n", what);
    std::exit(2);
  }
  std::vector<std::string_view> args_;
  std::vector<bool> used_;
  std::string about_, help_;
};

/// The pieces of "1,8,64".
inline std::vector<std::string> pieces(std::string_view list, char separator = ',') {
  std::vector<std::string> out;
  while (!list.empty()) {
    const auto end = std::min(list.find(separator), list.size());
    if (end > 0) out.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return out;
}

/// True when `list` is empty or names `item`.
inline bool chosen(std::string_view list, std::string_view item) {
  for (const auto& p : pieces(list))
    if (p == item) return true;
  return list.empty();
}

/// One row of results: "name: value" pairs that become a row of a table or an object of a JSON array.
struct Field {
  std::string name, text;
  bool number = false;
};
inline Field word(std::string name, std::string text) { return {std::move(name), std::move(text), false}; }
inline Field number(std::string name, double value, int digits = 1) {
  return {std::move(name), std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "null", true};
}
inline Field whole(std::string name, long value) { return {std::move(name), fmt::format("{}", value), true}; }

/// A JSON string, without the spaces at its end (they make columns of tables wide).
inline std::string in_json_quotes(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

/// Collects rows and prints them as a markdown table, each as soon as it is there, or as JSON at the end.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}
  ~Report() {
    if (json_) fmt::print("{}\n]\n", rows_ == 0 ? "[" : "");
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  void title(std::string_view text) {
    header_.clear();
    if (!json_) fmt::print("\n{}\n\n", text);
  }
  void row(const std::vector<Field>& fields) {
    if (json_) {
      fmt::print("{}{{", rows_++ == 0 ? "[\n" : ",\n");
      for (std::size_t i = 0; i < fields.size(); ++i)
        fmt::print("{}{}: {}", i == 0 ? "" : ", ", in_json_quotes(fields[i].name),
                   fields[i].number ? fields[i].text : in_json_quotes(fields[i].text));
      fmt::print("}}");
    } else {
      std::string header, rule, line;
      for (const Field& f : fields) {
        const std::size_t width = std::max(f.name.size(), std::size_t{7});
        header += f.number ? fmt::format("| {:>{}} ", f.name, width) : fmt::format("| {:<{}} ", f.name, width);
        rule += f.number ? fmt::format("|{:->{}}:", "", width + 1) : fmt::format("|{:->{}}", "", width + 2);
        line += f.number ? fmt::format("| {:>{}} ", f.text, width) : fmt::format("| {:<{}} ", f.text, width);
      }
      if (header != header_) fmt::print("{}|\n{}|\n", header, rule);
      header_ = header;
      fmt::print("{}|\n", line);
    }
    std::fflush(stdout);
  }
  [[nodiscard]] bool json() const { return json_; }

 private:
  bool json_;
  int rows_ = 0;
  std::string header_;
};

/// The limits of the run, as a first table.
inline void report_machine(Report& report, const molmo::Machine& m) {
  report.title(fmt::format("Limits measured in this run, {} thread{} (median, [slowest - fastest])", m.threads,
                           m.threads == 1 ? "" : "s"));
  const auto row = [&](const char* what, const molmo::Rate& r, const char* unit) {
    report.row({word("limit             ", what), whole("threads", m.threads), number("median", r.median / 1e9),
                number("min", r.min / 1e9), number("max", r.max / 1e9), word("unit  ", unit)});
  };
  row("f32 multiply-add", m.flops, "GFLOP/s");
  row("int8 multiply-add", m.int8, "GOP/s");
  row("read L2", m.read_l2, "GB/s");
  row("read L3", m.read_l3, "GB/s");
  row("read DRAM", m.read_dram, "GB/s");
  row("copy DRAM", m.copy, "GB/s");
  row("triad DRAM", m.triad, "GB/s");
  row("update DRAM", m.update, "GB/s");
  const molmo::Timing& b = m.barrier;
  report.row({word("limit             ", "parallel step"), whole("threads", m.threads),
              number("median", b.median * 1e9), number("min", b.min * 1e9), number("max", b.max * 1e9),
              word("unit  ", "ns")});
}

/// "12.3 [11.0 - 15.2]": a median with its extremes, scaled.
inline std::string with_extremes(const molmo::Timing& t, double scale, int digits = 1) {
  return fmt::format("{:.{}f} [{:.{}f} - {:.{}f}]", t.median * scale, digits, t.min * scale, digits, t.max * scale,
                     digits);
}

}  // namespace bench
