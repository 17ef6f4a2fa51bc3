// SPDX-License-Identifier: Apache-2.0
// load_config(folder): the family and the config of a checkpoint's config.json. The zoo's one header that reads files.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/json_file.hpp>
#include <molmo/models/zoo/families.hpp>

#include <string>

namespace molmo::inline v0::zoo {

struct ModelConfig {
  const Family* family = nullptr;
  LlmConfig config;
  std::string quantized;  ///< the format of the matrices that `molmo quantize` made: "q8" or "q4"; else empty
};

/// config.json's quantization_config: what `molmo quantize` writes, or an error.
[[nodiscard]] inline result<std::string> read_quantization(const json::Value& config) {
  const json::Value* q = config.is_object() ? config.present("quantization_config") : nullptr;
  if (!q) return std::string();
  json::Fields f(*q, "quantization_config.");
  const std::string_view method = f.ok() ? f.string("quant_method") : "";
  if (f.ok() && method != "molmo")
    f.refuse(errc::unsupported, text("the weights are quantised by ", in_quotes(method),
                                     ", which this version cannot read; take the unquantised checkpoint and "
                                     "`molmo quantize` it"));
  const std::string_view format = f.ok() ? f.string("format") : "", layout = f.ok() ? f.string("layout") : "";
  if (f.ok() && ((format != "q8" && format != "q4") || layout != "panels16"))
    f.refuse(errc::unsupported, text("the weights are quantised to ", in_quotes(format), " in the layout ",
                                     in_quotes(layout), "; this version knows q8 and q4 in panels16"));
  for (std::size_t i = 0; f.ok() && i < q->size(); ++i)  // "bits", "group_size" ...: other blocks than ours
    if (const std::string_view k = q->key(i); k != "quant_method" && k != "format" && k != "layout")
      f.refuse(errc::unsupported, text("quantization_config has the field ", in_quotes(k),
                                       ", which this version does not know; `molmo quantize` the unquantised "
                                       "checkpoint anew"));
  if (!f.ok()) return fail(f.error());
  return std::string(format);
}

/// Reads `directory`/config.json, with the reader of the family that its model_type names, or with that of `of`, a
/// family of your own. Errors as of read_json and read_config, beginning with the file's name.
[[nodiscard]] inline result<ModelConfig> load_config(const std::string& directory, const Family* of = nullptr) {
  return without_bad_alloc("reading config.json", [&]() -> result<ModelConfig> {
    if (status s = named_folder(directory); !s) return fail(s.error());
    const std::string path = text(directory, "/config.json");
    const result<json::Value> file = read_json(path);
    if (!file) return fail(file.error());
    const result<const Family*> family = of ? result<const Family*>(of) : find_family(*file);
    if (!family) return fail(family.error().code, text(in_quotes(path, 400), ": ", family.error().message));
    const result<LlmConfig> config = (*family)->read(*file);
    if (!config) return fail(config.error().code, text(in_quotes(path, 400), ": ", config.error().message));
    result<std::string> quantized = read_quantization(*file);
    if (!quantized) return fail(quantized.error().code, text(in_quotes(path, 400), ": ", quantized.error().message));
    return ModelConfig{*family, *config, std::move(*quantized)};
  });
}

}  // namespace molmo::inline v0::zoo
