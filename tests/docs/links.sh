#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every relative link [text](path) of README.md and docs/*.md leads to a file or folder of the tree.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for page in README.md docs/*.md; do
  awk -v folder="$(dirname "$page")" -v page="$page" '
    /^```/ { code = !code }
    !code {
      while (match($0, /\]\([^)#]+/)) {
        target = substr($0, RSTART + 2, RLENGTH - 2)
        $0 = substr($0, RSTART + RLENGTH)
        if (target !~ /^[a-z]+:/) print page "\t" folder "/" target
      }
    }' "$page"
done > "$work/links"
tab=$(printf '\t')
status=0
while IFS=$tab read -r page path; do
  [ -e "$path" ] || { echo "$page: no $path"; status=1; }
done < "$work/links"
[ "$status" -ne 0 ] || echo "$(wc -l < "$work/links") links lead somewhere"
exit $status
