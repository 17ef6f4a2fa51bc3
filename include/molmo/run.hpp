// SPDX-License-Identifier: Apache-2.0
// From a checkpoint folder to text: loading, tokenizers, sessions, generation. Needs nlohmann-json.
#pragma once

#include <molmo/io/generation_config.hpp>
#include <molmo/run/any_llm.hpp>
#include <molmo/run/generate.hpp>
#include <molmo/run/session.hpp>
#include <molmo/run/weights.hpp>
