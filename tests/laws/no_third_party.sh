#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# molmo.hpp pulls in no third-party header:   sh no_third_party.sh <compiler> <include folder>
set -eu
compiler=$1
include=$2
rule=$("$compiler" -std=c++20 -I "$include" -M -x c++ "$include/molmo/molmo.hpp")
files=$(printf '%s\n' "$rule" | tr -s ' ' '\n' | grep '/' | LC_ALL=C sort -u)
found=$(printf '%s\n' "$files" | grep -vF "$include/molmo/" | grep -E '/(xsimd|dnnl|oneapi|[Ee]igen[0-9]*|unsupported|nlohmann|cuda[^/]*|thrust|cub|fmt|CLI)(/|[^/]*$)' || true)
if [ -n "$found" ]; then
  printf 'molmo/molmo.hpp includes third-party headers:\n%s\n' "$found"
  exit 1
fi
printf 'molmo/molmo.hpp: %s headers, none of a third party\n' "$(printf '%s\n' "$files" | wc -l)"
