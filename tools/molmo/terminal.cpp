// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "commands.hpp"

namespace molmo_tool {

using molmo::errc;
using molmo::fail;

bool Output::write(std::string_view text) {
  if (error_ != 0) return false;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    error_ = errno != 0 ? errno : EIO;
  return error_ == 0;
}

molmo::result<int> Output::finish(int code) const {
  if (error_ == 0) return code;
  if (error_ == EPIPE) return exit_pipe_closed;
  return fail(errc::io, fmt::format("cannot write to standard output: {}", std::strerror(error_)));
}

namespace {

bool is_terminal(std::FILE* stream) {
  const char* term = std::getenv("TERM");
  return isatty(fileno(stream)) != 0 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::string styled(const char* code, std::string_view text, std::FILE* stream) {
  return has_colours(stream) ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

// Three significant digits, no exponent.
std::string three_digits(double x) {
  const double size = std::fabs(x);
  return fmt::format("{:.{}f}", x,
                     size >= 99.95     ? 0
                     : size >= 9.995   ? 1
                     : size >= 0.9995  ? 2
                     : size >= 0.09995 ? 3
                                       : 4);
}

}  // namespace

bool has_colours(std::FILE* stream) {
  const char* no_color = std::getenv("NO_COLOR");
  return (no_color == nullptr || *no_color == '\0') && is_terminal(stream);
}
std::string bold(std::string_view text, std::FILE* stream) { return styled("1", text, stream); }
std::string dim(std::string_view text, std::FILE* stream) { return styled("2", text, stream); }
std::string red(std::string_view text, std::FILE* stream) { return styled("1;31", text, stream); }

std::string bytes_text(double bytes) {
  static constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  int unit = 0;
  while (bytes >= 999.5 && unit < 5) bytes /= 1000, ++unit;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{} {}", three_digits(bytes), units[unit]);
}

std::string count_text(double count) {
  if (count < 1e6) return grouped(static_cast<std::int64_t>(count));
  return count < 1e9 ? three_digits(count / 1e6) + " M" : three_digits(count / 1e9) + " G";
}

std::string grouped(std::int64_t n) {
  const std::string digits = std::to_string(n);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0) out.push_back(',');
    out.push_back(digits[i]);
  }
  return out;
}

std::string rate_text(double per_second) {
  if (!(per_second >= 1000)) return three_digits(per_second);
  const double step = std::pow(10.0, std::floor(std::log10(per_second)) - 2);
  return grouped(static_cast<std::int64_t>(std::round(per_second / step) * step));
}

std::string seconds_text(double seconds) {
  if (seconds < 1e-3) return three_digits(seconds * 1e6) + " us";
  return seconds < 1 ? three_digits(seconds * 1e3) + " ms" : three_digits(seconds) + " s";
}

ProgressBar::ProgressBar(std::string what, std::stop_token stop)
    : what_(std::move(what)), stop_(std::move(stop)), terminal_(is_terminal(stderr)) {}

bool ProgressBar::operator()(const molmo::Progress& p) {
  if (stop_.stop_requested()) return false;
  const Clock::time_point now = Clock::now();
  using namespace std::chrono_literals;
  if (!terminal_ || p.total == 0 || now - start_ < 200ms || now - last_ < 50ms) return true;
  last_ = now;
  constexpr int width = 30;
  const double done = std::min(1.0, static_cast<double>(p.done) / static_cast<double>(p.total));
  const int filled = static_cast<int>(done * width);
  fmt::print(stderr, "\r\x1b[K{} {}{} {:3.0f} %", what_,
             bold(std::string(static_cast<std::size_t>(filled), '#'), stderr),
             dim(std::string(static_cast<std::size_t>(width - filled), '.'), stderr), 100 * done);
  std::fflush(stderr);
  drawn_ = true;
  return true;
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace molmo_tool
