// SPDX-License-Identifier: Apache-2.0
// load_config(folder): the family and the config of a checkpoint's config.json. The zoo's one header that reads files.
#pragma once

#include <molmo/io/json_file.hpp>
#include <molmo/models/zoo/families.hpp>

#include <string>

namespace molmo::inline v0::zoo {

struct ModelConfig {
  const Family* family = nullptr;
  LlmConfig config;
};

/// Reads `directory`/config.json, with the reader of the family that its model_type names, or with that of `of`, a family of
/// your own. Errors as of read_json and read_config, beginning with the file's name.
[[nodiscard]] inline result<ModelConfig> load_config(const std::string& directory, const Family* of = nullptr) {
  const std::string path = text(directory, "/config.json");
  const result<json::Value> file = read_json(path);
  if (!file) return fail(file.error());
  const result<const Family*> family = of ? result<const Family*>(of) : find_family(*file);
  if (!family) return fail(family.error().code, text(in_quotes(path, 400), ": ", family.error().message));
  const result<LlmConfig> config = (*family)->read(*file);
  if (!config) return fail(config.error().code, text(in_quotes(path, 400), ": ", config.error().message));
  return ModelConfig{*family, *config};
}

}  // namespace molmo::inline v0::zoo
