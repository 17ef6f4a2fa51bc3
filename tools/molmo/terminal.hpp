// SPDX-License-Identifier: Apache-2.0
// What the user sees: checked output, sizes and rates in words, colours and a progress bar where there is a terminal.
#pragma once

#include <molmo/core/result.hpp>
#include <molmo/io/progress.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stop_token>
#include <string>
#include <string_view>

namespace molmo_tool {

/// Standard output, whose errors are looked at after every piece.
class Output {
 public:
  /// Writes and flushes. False from the first failure on.
  bool write(std::string_view text);
  [[nodiscard]] bool ok() const { return error_ == 0; }
  /// exit_ok; exit_pipe_closed where the reader went away (`| head`: no mistake of anybody); else the error.
  [[nodiscard]] molmo::result<int> finish(int code = 0) const;

 private:
  int error_ = 0;
};

/// Does `stream` show colours? Only on a terminal, and not where NO_COLOR is set.
[[nodiscard]] bool has_colours(std::FILE* stream);
/// `text` in bold, dim or red, where `stream` shows colours.
[[nodiscard]] std::string bold(std::string_view text, std::FILE* stream);
[[nodiscard]] std::string dim(std::string_view text, std::FILE* stream);
[[nodiscard]] std::string red(std::string_view text, std::FILE* stream);

/// "1.05 MB", "2.4 GB": decimal, as disks and bandwidths are counted.
[[nodiscard]] std::string bytes_text(double bytes);
/// "1.23 M", "260,032": counts of things.
[[nodiscard]] std::string count_text(double count);
/// 1234567 -> "1,234,567".
[[nodiscard]] std::string grouped(std::int64_t n);
/// Three significant digits, grouped: "0.0123", "12.3", "12,300".
[[nodiscard]] std::string rate_text(double per_second);
/// "1.23 ms", "4.5 s".
[[nodiscard]] std::string seconds_text(double seconds);

/// A bar on standard error, if that is a terminal; drawn after a moment, so that short work shows none. Goes away at
/// the end.
class ProgressBar {
 public:
  ProgressBar(std::string what, std::stop_token stop);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar() { clear(); }
  /// As a ProgressSink wants it: false once a stop was asked for.
  bool operator()(const molmo::Progress& p);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  std::stop_token stop_;
  bool terminal_, drawn_ = false;
  Clock::time_point start_ = Clock::now(), last_{};
};

}  // namespace molmo_tool
