// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "bench.hpp"
#include "terminal.hpp"

namespace molmo_tool {
namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string csv(const Sheet& sheet) {
  std::string out;
  for (const auto& row : sheet.rows) {
    const std::string name =
        row[0].is_number ? fmt::format("{} {}", row[0].text, sheet.columns[0].header) : row[0].text;
    for (std::size_t i = 0; i < row.size(); ++i)
      if (row[i].is_number)
        out += fmt::format("{},{},{},{}\n", sheet.key, csv_field(name), sheet.columns[i].key, row[i].number);
  }
  return out;
}

}  // namespace

std::string sheet_text(const Sheet& sheet, SheetStyle style) {
  if (style == SheetStyle::csv) return csv(sheet);
  const bool markdown = style == SheetStyle::markdown;
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < sheet.columns.size(); ++i) {
    std::size_t width = sheet.columns[i].header.size();
    for (const auto& row : sheet.rows) width = std::max(width, row[i].text.size());
    widths.push_back(width);
  }
  // Words to the left, numbers to the right.
  const auto right = [&](std::size_t i) { return !sheet.rows.empty() && sheet.rows[0][i].is_number; };
  const auto pad = [&](std::string_view text, std::size_t i) {
    const std::string gap(widths[i] - text.size(), ' ');
    return right(i) ? gap + std::string(text) : std::string(text) + gap;
  };
  std::string out = markdown ? fmt::format("\n**{}**\n\n", sheet.title) : "\n" + bold(sheet.title, stdout) + "\n";
  std::string header, rule;
  const bool named =
      std::any_of(sheet.columns.begin(), sheet.columns.end(), [](const Column& c) { return !c.header.empty(); });
  for (std::size_t i = 0; i < widths.size(); ++i) {
    header += (markdown ? "| " : i == 0 ? "  " : "   ") + pad(sheet.columns[i].header, i) + (markdown ? " " : "");
    rule += "|" + std::string(widths[i] + 1, '-') + (right(i) ? ":" : "-");
  }
  const auto end_line = [&](std::string& line) {
    if (markdown) line += "|";
    while (!line.empty() && line.back() == ' ') line.pop_back();
    line += '\n';
  };
  end_line(header);
  if (markdown)
    out += header + rule + "|\n";
  else if (named)
    out += dim(header, stdout);
  for (const auto& row : sheet.rows) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i)
      line += (markdown ? "| " : i == 0 ? "  " : "   ") + pad(row[i].text, i) + (markdown ? " " : "");
    end_line(line);
    out += line;
  }
  return out;
}

void write_sheet(JsonText& json, const Sheet& sheet) {
  json.begin(sheet.key, '[');
  for (const auto& row : sheet.rows) {
    json.begin("");
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i].is_number)
        json.field(sheet.columns[i].key, row[i].number);
      else
        json.field(sheet.columns[i].key, std::string_view(row[i].text));
    }
    json.end();
  }
  json.end();
}

}  // namespace molmo_tool
