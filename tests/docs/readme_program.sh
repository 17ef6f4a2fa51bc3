#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The ```cpp blocks of README.md are programs of examples/: the first a part of 07_decoder_block.cpp, the second
# readme.cpp without its two opening comment lines.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
block() { awk -v wanted="$1" '/^```cpp$/ { inside = ++n == wanted; next } /^```$/ { inside = 0 } inside' "$2"; }

block 1 "$1/README.md" > "$work/shown"
[ -s "$work/shown" ] || { echo "README.md has no cpp block"; exit 1; }
first=$(head -n 1 "$work/shown")
awk -v first="$first" -v lines="$(wc -l < "$work/shown")" '$0 == first { left = lines } left-- > 0' \
  "$1/examples/07_decoder_block.cpp" > "$work/compiled"
diff "$work/shown" "$work/compiled" || { echo "README.md shows another block than 07_decoder_block.cpp"; exit 1; }

block 2 "$1/README.md" > "$work/shown"
[ -s "$work/shown" ] || { echo "README.md has no second cpp block"; exit 1; }
tail -n +3 "$1/examples/readme.cpp" > "$work/compiled"
diff "$work/shown" "$work/compiled" || { echo "README.md shows another program than examples/readme.cpp"; exit 1; }
echo "the same"
