#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The law must notice each breach: wrong/ holds one header per kind, expected.txt the exact report.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/wrong/molmo" "$work/molmo"
long() { printf '// SPDX-License-Identifier: Apache-2.0\n// %s\n#pragma once\n' "$1"; awk 'BEGIN { for (i = 0; i < 400; ++i) print "// more" }'; }
long "A header of 403 lines." > "$work/molmo/core/long.hpp"
long "Tables may be long." > "$work/molmo/core/long_tables.hpp"
if sh "$here/include_law.sh" "$work" > "$work/report.txt"; then
  echo "the law accepted a tree full of breaches"
  exit 1
fi
diff -u "$here/wrong/expected.txt" "$work/report.txt"
echo "every kind of breach was noticed"
