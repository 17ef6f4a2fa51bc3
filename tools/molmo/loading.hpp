// SPDX-License-Identifier: Apache-2.0
// From a folder to a model on a backend, with a progress bar, and with words for what can go wrong on the way.
#pragma once

#include "commands.hpp"
#include "interrupt.hpp"
#include "models.hpp"

#include <molmo/io/generation_config.hpp>

#include <stop_token>

namespace molmo_tool {

/// Wrong usage: exit code 2.
[[nodiscard]] inline molmo::failure usage_error(std::string message) {
  return fail(errc::invalid_argument, std::move(message));
}
/// An error of the library, which is never the usage's fault: exit code 1.
[[nodiscard]] inline molmo::failure failure_of_work(const molmo::error& e) {
  return fail(e.code == errc::invalid_argument ? errc::format : e.code, e.message);
}

/// What a command ends with where its work failed: the signal's exit code where Ctrl-C was the reason, else the
/// failure.
[[nodiscard]] inline result<int> ended(const Interrupts& interrupts, molmo::failure f) {
  if (f.what.code == errc::cancelled && interrupts.requested()) return interrupts.exit_code();
  return f;
}

/// A path, safe for a terminal.
[[nodiscard]] inline std::string shown(const std::string& path) {
  return molmo::detail::without_quotes(in_quotes(path, 400));
}
[[nodiscard]] inline LoadOptions load_options(const FileArgs& args) {
  return {.copy = args.copy, .follow_symlinks = args.follow_symlinks};
}

/// Is it a folder? The error says what else it is.
[[nodiscard]] status check_folder(const std::string& directory);

struct Opened {
  LlmConfig file;  ///< as the checkpoint has it; its max_sequence_length may differ from the compiled-in one
  Ready ready;
  double seconds = 0;
  double weights_per_token = 0;  ///< bytes of them that a decode step reads
};
/// The model in the folder, its weights read into the system's cache where they fit into memory.
[[nodiscard]] result<Opened> open_model(const std::string& directory, const BackendArgs& args,
                                        const std::stop_token& stop);
/// A model with random weights.
[[nodiscard]] result<Opened> draw_model(const std::string& config, const std::string& format, const BackendArgs& args,
                                        const std::stop_token& stop);

/// Bytes that one step of `decode` steps behind `prompt` positions reads, on average: the weights, and the keys and
/// values of all positions before it. All limits of decoding are those of reading so much.
[[nodiscard]] inline double decode_bytes(const Opened& model, index_t prompt, index_t decode) {
  return model.weights_per_token +
         static_cast<double>(kv_bytes_of(model.file)) * (static_cast<double>(prompt) + static_cast<double>(decode) / 2);
}

/// A session, unless it would take more memory than there is.
[[nodiscard]] result<std::unique_ptr<AnySession>> start_session(const AnyLlm& model, const SessionOptions& options);

}  // namespace molmo_tool
