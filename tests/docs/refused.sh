#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The blocks of a page that must not compile:   sh refused.sh <page.md> <g++ major version or -> <compiler and flags
# ...> Each is compiled by itself and has to fail with a message that matches the marker's regular expression. Where the
# compiler is the g++ of the text, every line of the ```text block that follows must be part of what the compiler
# prints.
set -eu
page=$1
version=$2
shift 2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^<!-- cpp: refused \(.*\) -->$/\1/p' "$page" > "$work/expected"
n=0
status=0
while IFS= read -r regex; do
  n=$((n + 1))
  awk -v refused=$n -f "$here/extract.awk" "$page" > "$work/block.cpp"
  if "$@" -fsyntax-only "$work/block.cpp" > "$work/said" 2>&1; then
    echo "$page: refused block $n compiles"
    status=1
    continue
  fi
  if ! grep -Eq -e "$regex" "$work/said"; then
    echo "$page: refused block $n: no message matches: $regex"
    head -n 20 "$work/said"
    status=1
  fi
  [ "$version" = 12 ] || continue
  awk -v n=$n '/^<!-- cpp: refused / { k++; code = 0 }
               k == n && /^```text$/ && !done { text = 1; next }
               /^```$/ { if (text) done = 1; text = 0 }
               text' "$page" > "$work/shown"
  while IFS= read -r line; do
    if ! grep -Fq -e "$line" "$work/said"; then
      echo "$page: refused block $n: the compiler does not print: $line"
      status=1
    fi
  done < "$work/shown"
done < "$work/expected"
[ $status -ne 0 ] || echo "$n blocks are refused as the page says"
[ $n -gt 0 ] || { echo "$page has no refused block"; status=1; }
exit $status
