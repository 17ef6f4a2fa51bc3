// SPDX-License-Identifier: Apache-2.0
// molmo models: what is compiled in, what it takes, and where it comes from.
#include <molmo/models/zoo/families.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "commands.hpp"
#include "json_text.hpp"
#include "models.hpp"
#include "terminal.hpp"

namespace molmo_tool {

std::string backend_choices() {
  std::string out;
  for (const std::string_view b : backends()) out += fmt::format("{}{}", out.empty() ? "" : "|", b);
  return out;
}

bool has_backend(std::string_view name) {
  const auto all = backends();
  return std::find(all.begin(), all.end(), name) != all.end();
}

std::string model_names() {
  std::string out;
  for (const CompiledIn& c : compiled_in()) out += fmt::format("{}{}", out.empty() ? "" : ", ", c.name);
  return out;
}

result<int> list_models(bool json) {
  Output out;
  if (json) {
    JsonText j;
    j.begin("models", '[');
    for (const CompiledIn& c : compiled_in()) {
      j.begin("");
      j.field("name", c.name);
      j.field(c.on_hub ? "hub_id" : "folder", c.where);
      j.field("parameters", parameters_of(c.config));
      j.field("bf16_bytes", 2 * parameters_of(c.config));
      j.field("kv_bytes_per_token", kv_bytes_of(c.config));
      j.field("max_sequence_length", c.config.max_sequence_length);
      j.end();
    }
    out.write(j.str());
    return out.finish();
  }
  std::string s = bold(fmt::format("{:<14} {:>10} {:>9} {:>9} {:>8}  {}", "compiled in", "parameters", "as bf16",
                                   "KV/token", "context", "from"),
                       stdout) +
                  "\n";
  for (const CompiledIn& c : compiled_in())
    s += fmt::format(
        "{:<14} {:>10} {:>9} {:>9} {:>8}  {}\n", c.name, count_text(static_cast<double>(parameters_of(c.config))),
        bytes_text(2 * static_cast<double>(parameters_of(c.config))),
        bytes_text(static_cast<double>(kv_bytes_of(c.config))), grouped(c.config.max_sequence_length), c.where);
  s += "\nmolmo downloads nothing. To get a model from the Hugging Face hub:\n"
       "  hf download allenai/OLMo-2-0425-1B --local-dir OLMo-2-0425-1B\n"
       "Other sizes of the families";
  for (const zoo::Family* f : zoo::families)
    s += fmt::format("{} {}", f == zoo::families.front() ? "" : ",", f->model_type);
  s += ": `molmo inspect DIR` prints the line that compiles one in.\n";
  out.write(s);
  return out.finish();
}

}  // namespace molmo_tool
