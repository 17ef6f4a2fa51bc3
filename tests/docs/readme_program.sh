#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first ```cpp block of README.md is examples/readme.cpp without its two opening comment lines.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^```cpp$/ && !seen { inside = seen = 1; next } /^```$/ { inside = 0 } inside' "$1/README.md" > "$work/shown"
tail -n +3 "$1/examples/readme.cpp" > "$work/compiled"
[ -s "$work/shown" ] || { echo "README.md has no cpp block"; exit 1; }
diff "$work/shown" "$work/compiled" || { echo "README.md shows another program than examples/readme.cpp"; exit 1; }
echo "the same, $(wc -l < "$work/shown") lines"
