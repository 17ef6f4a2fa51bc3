#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A dual file must compile as it stands, and must not compile with -DMOLMO_MISTAKE:
#   sh run.sh <file> <compiler and flags ...>
# The file says in comments what the compiler has to print (extended regular expressions, each must match):
#   // expect: molmo: matmul.* needs
#   // lines: 12        at most so many lines in the first error of g++; 12 if not said
#   // mistake: -flag   flags that are the mistake, beside -DMOLMO_MISTAKE
set -u
file=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! "$@" -fsyntax-only "$file" > "$work/right" 2>&1; then
  echo "$file does not compile without its mistake:"
  head -n 40 "$work/right"
  exit 1
fi
one_error=-fmax-errors=1
clang=0
if "$1" --version | head -n 1 | grep -q clang; then one_error=-ferror-limit=1 clang=1; fi
mistake=$(sed -n 's|^// mistake: ||p' "$file")
# shellcheck disable=SC2086  # several flags are several words
if "$@" -fsyntax-only -DMOLMO_MISTAKE $mistake "$one_error" "$file" > "$work/wrong" 2>&1; then
  echo "$file compiles with its mistake"
  exit 1
fi
grep -v -e '^compilation terminated' -e '^fatal error: too many errors' -e '^1 error generated' "$work/wrong" > "$work/first"

status=0
sed -n 's|^// expect: ||p' "$file" > "$work/expected"
if ! [ -s "$work/expected" ]; then
  echo "$file has no line '// expect: <regex>'"
  status=1
fi
while IFS= read -r regex; do
  if ! grep -Eq -e "$regex" "$work/first"; then
    echo "the error does not match: $regex"
    status=1
  fi
done < "$work/expected"
limit=$(sed -n 's|^// lines: ||p' "$file")
lines=$(wc -l < "$work/first")
# The limits count what g++ 12 prints. Newer ones also show the source of each place on the way.
if [ "$clang" -eq 0 ] && [ "$("$1" -dumpversion | cut -d . -f 1)" -gt 12 ]; then
  lines=$(grep -cvE '^ *[0-9]* \|' "$work/first")
fi
if [ "$clang" -eq 0 ] && [ "$lines" -gt "${limit:-12}" ]; then
  echo "the first error has $lines lines; allowed: ${limit:-12}"
  status=1
fi
[ "$status" -eq 0 ] || { echo "$file:"; cat "$work/first"; }
[ "$status" -ne 0 ] || echo "refused in $lines lines: $(grep -E -m 1 'error:' "$work/first")"
exit "$status"
