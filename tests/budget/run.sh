#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What molmo costs a compiler, against its budgets:
#   COMPONENTS="xsimd io" sh run.sh <source folder> <measure program> <work folder> <compiler and flags ...>
# Sizes fail at the budget, which is that of g++ 12; other versions may take a tenth more. Times are CPU time and fail
# at twice the budget, since the speed of the machine is not ours to choose; what lies between is marked "over". Where
# the machine has other work to do, CPU time grows too: a program of the standard library is compiled beside, and if it
# takes more than usual, the times may take so much more.
# The longest symbols carry a whole LlmConfig, some 30 numbers, in their name. The last model is a whole program:
# reading JSON and tokenizers is more of it than the model.
set -eu
source=$1
measure=$2
work=$3
shift 3
here=$source/tests/budget
mkdir -p "$work"
table=$work/table.md
failed=0

printf '| what | measured | budget | |\n|---|---:|---:|---|\n' > "$table"
# row <what> <measured> <budget> <unit> <fails beyond>
row() {
  mark=ok
  if [ "$2" -gt "$3" ]; then mark=over; fi
  if [ "$2" -gt "$5" ]; then mark=FAILED failed=1; fi
  printf '| %s | %s %s | %s %s | %s |\n' "$1" "$2" "$4" "$3" "$4" "$mark" >> "$table"
}
time_row() { row "$1" "$2" "$3" ms $(($3 * 2 * speed / usual)); }
size_row() { row "$1" "$2" "$3" "$4" $(($3 * (100 + slack) / 100)); }
note() { printf '| %s | %s | | |\n' "$1" "$2" >> "$table"; }

# compile <name> <budget in ms> <arguments>: sets milliseconds and kilobytes; runs again only if it was far too slow
compile() {
  name=$1
  enough=$(($2 * 2))
  shift 2
  if ! figures=$("$measure" 3 "$enough" "$@" 2> "$work/$name.log"); then
    echo "$name does not compile:"
    head -n 40 "$work/$name.log"
    exit 1
  fi
  milliseconds=${figures% *}
  kilobytes=${figures#* }
}
text_of() { size "$1" | awk 'NR == 2 { print $1 }'; }
kb() { echo $((($1 + 1023) / 1024)); }
longest_symbol() { nm "$1" | awk '{ if (length($NF) > n) n = length($NF) } END { print n + 0 }'; }

words=" $(echo "$COMPONENTS" | sed 's/ /  /g') "  # two spaces, so that neighbours are found
: > "$work/empty.cpp"
slack=0  # percent
if [ "$("$1" -dumpversion | cut -d . -f 1)" -ne 12 ]; then slack=10; fi
usual=4500  # milliseconds for the calibration on the machine of docs/performance.md
compile calibration 100000 "$@" -O2 -c "$here/calibration.cpp" -o "$work/calibration.o"
speed=$milliseconds
if [ "$speed" -lt "$usual" ]; then speed=$usual; fi
note "std::regex, for comparison (usual: $usual ms)" "$milliseconds ms"

printf '#include <molmo/molmo.hpp>\n' > "$work/include.cpp"
compile include 1000 "$@" -fsyntax-only "$work/include.cpp"
time_row "\`#include <molmo/molmo.hpp>\`" "$milliseconds" 1000
note "compiler memory for it" "$((kilobytes / 1024)) MB"

compile model_7b_plain 10000 "$@" -O2 -c "$here/model_7b_plain.cpp" -o "$work/model_7b_plain.o"
time_row "a 7B model on the plain loops: one step" "$milliseconds" 10000
note "compiler memory for it" "$((kilobytes / 1024)) MB"
size_row "its text" "$(kb "$(text_of "$work/model_7b_plain.o")")" 250 KB
size_row "its longest symbol" "$(longest_symbol "$work/model_7b_plain.o")" 640 characters

case "$words" in
  *" xsimd "*)
    compile model_7b_xsimd 10000 "$@" -O2 -DMOLMO_BUDGET_XSIMD -c "$here/model_7b_plain.cpp" -o "$work/model_7b_xsimd.o"
    time_row "a 7B model on xsimd: one step" "$milliseconds" 10000
    note "compiler memory for it" "$((kilobytes / 1024)) MB"
    size_row "its text" "$(kb "$(text_of "$work/model_7b_xsimd.o")")" 250 KB
    ;;
esac

case "$words" in
  *" xsimd "*" io "* | *" io "*" xsimd "*)
    compile include_all 100000 "$@" -fsyntax-only -include molmo/molmo.hpp -include molmo/cpu.hpp \
      -include molmo/run.hpp "$work/empty.cpp"
    note "molmo.hpp, cpu.hpp and run.hpp, nothing used" "$milliseconds ms"
    compile model_7b 21000 "$@" -O2 -c "$here/model_7b.cpp" -o "$work/model_7b.o"
    one=$(text_of "$work/model_7b.o")
    time_row "a 7B program: load, tokenizer, session, generate, xsimd" "$milliseconds" 21000
    note "compiler memory for it" "$((kilobytes / 1024)) MB"
    size_row "its text" "$(kb "$one")" 560 KB
    size_row "its longest symbol" "$(longest_symbol "$work/model_7b.o")" 640 characters
    compile two_models 100000 "$@" -O2 -DMOLMO_SECOND_MODEL -c "$here/model_7b.cpp" -o "$work/two_models.o"
    size_row "a second model of the same head_dim adds" "$(kb $(($(text_of "$work/two_models.o") - one)))" 40 KB
    ;;
  *) note "a 7B program: load, tokenizer, session, generate, xsimd" "skipped: needs xsimd and nlohmann/json" ;;
esac

mistake=$source/tests/must_not_compile/add_of_two_widths.cpp
"$@" -fsyntax-only -fmax-errors=1 -DMOLMO_MISTAKE "$mistake" > "$work/mistake.log" 2>&1 &&
  { echo "$mistake compiles"; exit 1; }
shown='^compilation terminated'  # g++ 13 and newer also show the source of each place on the way
if [ "$("$1" -dumpversion | cut -d . -f 1)" -gt 12 ]; then shown="$shown|^ *[0-9]* \\|"; fi
size_row "first error of a sum of two widths" "$(grep -cvE "$shown" "$work/mistake.log")" 12 lines
for size in 4096 4097; do
  grep -q "$size" "$work/mistake.log" || { echo "the error does not name $size"; failed=1; }
done

cat "$table"
exit "$failed"
