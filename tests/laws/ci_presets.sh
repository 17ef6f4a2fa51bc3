#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ci_presets.sh <root of the repository>: every preset that the hosted CI asks for is one of CMakePresets.json: of the
# testPresets where scripts/test runs it (the job "test"), of the workflowPresets in the job "presets".
set -u
root=$1
failures=0
# asked_by <job>
asked_by() {
  awk -v job="$1:" '/^  [a-z]+:$/ { here = $1 == job } here' "$root/.github/workflows/ci.yml" |
    grep -o 'preset: [a-z-]*' | sed 's/.*: //' | sort -u
}
# names_in <list of CMakePresets.json>
names_in() {
  awk -v list="\"$1\":" '$1 == list { here = 1; next } /^  \]/ { here = 0 } here' "$root/CMakePresets.json" |
    grep -o '"name": "[a-z-]*"' | sed 's/.*"\(.*\)"/\1/'
}
check() {
  asked=$(asked_by "$1")
  [ -n "$asked" ] || { echo "FAILED: no preset found in the job $1"; failures=1; }
  for preset in $asked; do
    names_in "$2" | grep -qx -e "$preset" && continue
    echo "FAILED: the job $1 asks for '$preset', which is none of the $2"
    failures=1
  done
}
check test testPresets
check presets workflowPresets
exit $failures
