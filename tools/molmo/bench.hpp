// SPDX-License-Identifier: Apache-2.0
// The parts of `molmo bench`: timing a model's ops one by one, and sheets of figures that become tables, markdown, CSV
// or JSON.
#pragma once

#include "json_text.hpp"
#include "loading.hpp"
#include "machine.hpp"

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace molmo_tool {

/// What one op of a step takes, all layers together.
struct OpFigure {
  std::string_view name;
  index_t calls = 0;  ///< in a step
  double seconds = 0;
  double flops = 0, bytes = 0;
  bool in_cache = false;  ///< its operands lie in L2, whatever the size of the model
};

struct OpFigures {
  std::vector<OpFigure> ops;
  double step_seconds = 0;  ///< of a whole step
};
/// Goes through a step of `tokens` tokens behind `past` others op by op, in the order of the model and with its
/// weights, and in turn with it calls `step`, a whole step, again and again; returns the medians. Empty where there is
/// no memory, and after a stop was asked for.
[[nodiscard]] OpFigures time_ops(const Opened& model, index_t tokens, index_t past, double max_seconds,
                                 const std::stop_token& stop, const std::function<void()>& step);

/// A cell has two faces: the one that people read, and a number or a word for programs.
struct Cell {
  std::string text;
  double number = 0;
  bool is_number = false;
};
[[nodiscard]] inline Cell word(std::string_view text) { return {std::string(text)}; }
[[nodiscard]] inline Cell figure(std::string text, double number) { return {std::move(text), number, true}; }

struct Column {
  std::string_view key, header;  ///< for programs, for people
};
struct Sheet {
  std::string_view key, title;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
};

enum class SheetStyle { text, markdown, csv };
/// A sheet as a table. CSV: a line `sheet,row,column,value` per number, the row being named by its first cell.
[[nodiscard]] std::string sheet_text(const Sheet& sheet, SheetStyle style);
/// A list of objects, one per row.
void write_sheet(JsonText& json, const Sheet& sheet);

}  // namespace molmo_tool
