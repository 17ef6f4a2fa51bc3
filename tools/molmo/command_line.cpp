// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace molmo_tool {
namespace {

std::string_view without_dashes(std::string_view word) {
  return word.substr(std::min(word.find_first_not_of('-'), word.size()));
}

// The fewest letters to insert, leave out, replace or swap with their neighbour that make one word of the other
// (optimal string alignment).
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) now[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(now);
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before_last[j - 2] + 1);
    }
  }
  return now[b.size()];
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string meant(std::string_view typed, std::span<const std::string> words) {
  const std::string_view near = nearest_word(typed, words);
  return near.empty() ? "" : fmt::format("; did you mean {}?", near);
}

}  // namespace

CLI::Option* add_real(CLI::App& app, const std::string& names, std::optional<double>& to, const std::string& help) {
  const std::string name = names.substr(names.rfind(',') + 1);
  return app.add_option_function<std::string>(
      names,
      [&to, name](const std::string& typed) {
        to = number_from<double>(typed);
        if (!to)
          throw CLI::ValidationError(
              molmo::text(name, " is ", molmo::in_quotes(typed), "; it must be a number such as 0.8"));
      },
      help);
}

std::string_view nearest_word(std::string_view typed, std::span<const std::string> words) {
  const std::string_view wanted = without_dashes(typed);
  std::size_t fewest = wanted.size() < 4 ? 1 : wanted.size() < 6 ? 2 : 3;  // one more than are allowed
  std::string_view best;
  for (const std::string& word : words) {
    const std::string_view candidate = without_dashes(word);
    const bool begins = wanted.size() >= 3 && candidate.starts_with(wanted);
    const std::size_t edits = begins || candidate == wanted ? 0 : edits_between(wanted, candidate);
    if (edits >= fewest) continue;
    fewest = edits;
    best = word;
  }
  return best;
}

std::string unknown_command(const CLI::App& app, std::span<char* const> args) {
  std::vector<std::string> commands;
  for (const CLI::App* sub : app.get_subcommands({})) commands.push_back(sub->get_name());
  const std::vector<std::string> options = option_names(app);
  for (const std::string_view arg : args) {
    if (contains(options, arg)) continue;
    if (arg.starts_with('-') || contains(commands, arg)) return {};
    const std::string there = fmt::format("there is no command {}", molmo::in_quotes(arg));
    std::vector<std::string> words = commands;
    words.insert(words.end(), {"--help", "--version"});
    if (const std::string hint = meant(arg, words); !hint.empty()) return there + hint;
    std::string all;
    for (const std::string& command : commands) all += (all.empty() ? "" : ", ") + command;
    return fmt::format("{}; there are {}; see molmo --help", there, all);
  }
  return {};
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& e, std::span<char* const> args) {
  const CLI::App* sub = nullptr;
  for (const CLI::App* parsed : app.get_subcommands()) sub = parsed;
  const std::string name = sub != nullptr ? sub->get_name() : "molmo";
  const std::string see = sub != nullptr ? fmt::format("; see molmo {} --help", name) : "; see molmo --help";

  // An argument that nobody knows is said first: what else is missing may be missing because of it.
  const std::vector<std::string> left = app.remaining(true);
  const auto unknown = [&](bool option) {
    return std::find_if(args.begin(), args.end(), [&](const char* arg) {
      return contains(left, arg) && (option == (arg[0] == '-' && arg[1] != '\0'));
    });
  };
  if (const auto at = unknown(true); at != args.end()) {
    const std::string_view typed = std::string_view(*at).substr(0, std::string_view(*at).find('='));
    const std::vector<std::string> options = option_names(sub != nullptr ? *sub : app);
    if (std::find(at, args.end(), name) != args.end() && contains(options, typed))
      return fmt::format("write {} behind the command", typed) + see;
    if (!contains(options, typed)) {
      const std::string hint = meant(typed, options);
      return fmt::format("{} has no option {}", name, molmo::in_quotes(typed)) + (hint.empty() ? see : hint);
    }
  }
  if (const auto at = unknown(false); at != args.end())
    return fmt::format("{} cannot do anything with the argument {}", name, molmo::in_quotes(*at)) + see;
  return e.what() + see;
}

}  // namespace molmo_tool
