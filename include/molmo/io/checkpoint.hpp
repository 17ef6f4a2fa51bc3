// SPDX-License-Identifier: Apache-2.0
// Checkpoint: all tensors of a Hugging Face folder, from model.safetensors or from the shards of
// model.safetensors.index.json.
//
//   result<Checkpoint> c = Checkpoint::open("models/olmo2");   const TensorInfo* t = c->find("model.norm.weight");
// Keeps the files mapped (or copied) for as long as it lives; moving it moves nothing in memory. Bytes only: tensors
// may be misaligned. It knows no models: what the tensors mean is said in models/zoo and run/.
#pragma once

#include <molmo/core/guard.hpp>
#include <molmo/io/links.hpp>
#include <molmo/io/mapped_file.hpp>
#include <molmo/io/safetensors.hpp>
#include <molmo/io/shard_index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace molmo::inline v0 {

struct CheckpointOptions {
  bool copy = false;  ///< read the files into memory instead of mapping them (see MappedFile)
  bool follow_symlinks =
      false;  ///< allow links that lead out of the folder (those of the Hugging Face cache are always allowed)
  bool check_total_size = true;  ///< the index's total_size must be the sum of the tensors' bytes
  ProgressSink progress{};       ///< told after each file, and while copying
  SafeTensorsLimits limits{};
};

class Checkpoint {
 public:
  /// The tensors of the folder `directory`. errc::not_found (no such folder or file), errc::io, errc::format,
  /// errc::cancelled.
  [[nodiscard]] static result<Checkpoint> open(const std::string& directory, const CheckpointOptions& options = {}) {
    return without_bad_alloc("opening a checkpoint", [&] { return open_unguarded(directory, options); });
  }

  Checkpoint(Checkpoint&&) noexcept = default;
  Checkpoint& operator=(Checkpoint&&) noexcept = default;

  /// The tensor of that name, or nullptr.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const MOLMO_LIFETIMEBOUND {
    const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                     [](const TensorInfo* t, std::string_view n) { return t->name < n; });
    return at != by_name_.end() && (*at)->name == name ? *at : nullptr;
  }
  /// All tensors, sorted by name.
  [[nodiscard]] std::span<const TensorInfo* const> tensors() const MOLMO_LIFETIMEBOUND { return by_name_; }
  /// What the `__metadata__` of its file says under the name of `tensor`, one of tensors(); empty where nothing.
  [[nodiscard]] std::string_view metadata_of(const TensorInfo& tensor) const MOLMO_LIFETIMEBOUND {
    for (const Shard& s : shards_)
      if (s.table.find(tensor.name) == &tensor) return s.table.metadata_of(tensor);
    return {};
  }
  /// Sum of the tensors' bytes.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& directory() const MOLMO_LIFETIMEBOUND { return directory_; }
  [[nodiscard]] std::size_t files() const { return shards_.size(); }
  /// A hint about the tensors' bytes, to all files.
  void advise(Advice advice) const {
    for (const Shard& s : shards_) s.file.advise(advice);
  }
  /// The same about `part` of a tensor's bytes.
  void advise(Advice advice, std::span<const std::byte> part) const {
    for (const Shard& s : shards_) {
      const auto from = reinterpret_cast<std::uintptr_t>(s.file.bytes().data());
      const auto at = reinterpret_cast<std::uintptr_t>(part.data());
      if (at >= from && at - from < s.file.bytes().size()) return s.file.advise(advice, part);
    }
  }

 private:
  struct Shard {
    std::string name;
    MappedFile file;
    SafeTensors table;
  };

  Checkpoint() = default;
  [[nodiscard]] static result<Checkpoint> open_unguarded(const std::string& directory,
                                                         const CheckpointOptions& options);
  [[nodiscard]] static result<Shard> open_shard(const std::filesystem::path& directory, const std::string& name,
                                                const CheckpointOptions& options);
  [[nodiscard]] status check_against(const ShardIndex& index, std::string_view source, bool check_total_size) const;

  std::string directory_;
  std::vector<Shard> shards_;
  std::vector<const TensorInfo*> by_name_;
  std::uint64_t bytes_ = 0;
};

inline result<Checkpoint::Shard> Checkpoint::open_shard(const std::filesystem::path& directory, const std::string& name,
                                                        const CheckpointOptions& options) {
  const std::filesystem::path path = directory / name;
  if (!options.follow_symlinks)
    if (status s = detail::stays_inside(directory, path); !s) return fail(s.error());
  result<MappedFile> file = MappedFile::open(path.string(), {.copy = options.copy, .progress = options.progress});
  if (!file) return fail(file.error());
  result<SafeTensors> table = SafeTensors::parse(file->bytes(), in_quotes(path.string(), 400), options.limits);
  if (!table) return fail(table.error());
  return Shard{name, std::move(*file), std::move(*table)};
}

inline result<Checkpoint> Checkpoint::open_unguarded(const std::string& directory, const CheckpointOptions& options) {
  if (status s = named_folder(directory); !s) return fail(s.error());
  namespace fs = std::filesystem;
  std::error_code e;
  const fs::path dir(directory);
  const auto type = fs::status(dir, e).type();
  if (e == std::errc::too_many_symbolic_link_levels) return detail::not_found(directory, e);
  if (directory.find('\0') != directory.npos || type == fs::file_type::not_found || type == fs::file_type::none)
    return fail(errc::not_found, text("the model folder ", in_quotes(directory, 400), " does not exist"));
  if (type != fs::file_type::directory)
    return fail(errc::format, text(in_quotes(directory, 400),
                                   " is not a folder; give the folder that holds config.json and model.safetensors"));

  Checkpoint c;
  c.directory_ = directory;
  ShardIndex index;
  std::string index_name;
  // symlink_status: a link without a target is reported as such, not overlooked
  if (fs::exists(fs::symlink_status(dir / "model.safetensors", e))) {
    index.shards.emplace_back("model.safetensors");
  } else if (fs::exists(fs::symlink_status(dir / "model.safetensors.index.json", e))) {
    const fs::path path = dir / "model.safetensors.index.json";
    index_name = in_quotes(path.string(), 400);
    if (!options.follow_symlinks)
      if (status s = detail::stays_inside(dir, path); !s) return fail(s.error());
    result<MappedFile> file = MappedFile::open(path.string(), {.copy = true, .max_bytes = ShardIndex::max_bytes});
    if (!file) return fail(file.error());
    result<ShardIndex> parsed = ShardIndex::parse(file->chars(), index_name);
    if (!parsed) return fail(parsed.error());
    index = std::move(*parsed);
  } else {
    return fail(errc::not_found, text("the folder ", in_quotes(directory, 400),
                                      " holds neither model.safetensors nor model.safetensors.index.json"));
  }

  c.shards_.reserve(index.shards.size());
  for (const std::string& name : index.shards) {
    result<Shard> shard = open_shard(dir, name, options);
    if (!shard) return fail(shard.error());
    const std::uint64_t size = shard->file.bytes().size();
    c.shards_.push_back(std::move(*shard));
    if (!options.progress.report({c.shards_.back().name, size, size}))
      return fail(errc::cancelled, text("loading ", in_quotes(directory, 400), " was cancelled"));
  }
  for (const Shard& s : c.shards_)
    for (const TensorInfo& t : s.table.tensors()) {
      c.by_name_.push_back(&t);
      c.bytes_ += t.bytes.size();
    }
  std::sort(c.by_name_.begin(), c.by_name_.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->name < b->name; });
  if (!index_name.empty())
    if (status s = c.check_against(index, index_name, options.check_total_size); !s) return fail(s.error());
  return c;
}

/// The shards hold exactly the tensors that the index names, each in the file that it names.
inline status Checkpoint::check_against(const ShardIndex& index, std::string_view source, bool check_total_size) const {
  const auto bad = [&](const auto&... words) { return fail(errc::format, text(source, ": ", words...)); };
  for (std::size_t i = 1; i < by_name_.size(); ++i)
    if (by_name_[i]->name == by_name_[i - 1]->name)
      return bad("tensor ", in_quotes(by_name_[i]->name), " lies in two of the files");
  for (std::size_t i = 0; i < shards_.size(); ++i)
    for (const TensorInfo& t : shards_[i].table.tensors()) {
      const ShardIndex::Tensor* entry = index.find(t.name);
      if (!entry) return bad("does not name tensor ", in_quotes(t.name), " of ", in_quotes(shards_[i].name));
      if (entry->shard != i)
        return bad("looks for tensor ", in_quotes(t.name), " in ", in_quotes(index.shards[entry->shard]),
                   ", but it lies in ", in_quotes(shards_[i].name));
    }
  for (const ShardIndex::Tensor& t : index.tensors)
    if (!find(t.name))
      return bad("names tensor ", in_quotes(t.name), ", which is not in ", in_quotes(index.shards[t.shard]));
  if (check_total_size && index.total_size && *index.total_size != bytes_)
    return bad("metadata.total_size says ", *index.total_size, " bytes, but the tensors have ", bytes_,
               "; is a file damaged or exchanged?");
  return {};
}

}  // namespace molmo::inline v0
