// SPDX-License-Identifier: Apache-2.0
// Nothing of molmo: a piece of the standard library, whose compile time says how fast this machine compiles at present.
#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <vector>

std::map<std::string, int> count(const std::string& text) {
  std::map<std::string, int> words;
  const std::regex word("[a-z]+", std::regex::icase);
  for (std::sregex_iterator at(text.begin(), text.end(), word), end; at != end; ++at) ++words[at->str()];
  return words;
}

std::vector<std::pair<int, std::string>> most(const std::map<std::string, int>& words) {
  std::vector<std::pair<int, std::string>> list;
  for (const auto& [word, n] : words) list.emplace_back(n, word);
  std::stable_sort(list.begin(), list.end());
  return list;
}
