#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sh check_symbols.sh <nm> <objdump> <objects of main, portable and native, in this order>
# Where both units define one inline function, the linker keeps either copy. So no function of molmo that both have may
# calculate with AVX registers in the native unit: every calculation belongs to a backend, and the backend's type names
# the instruction set. (Moves are another matter: a compiler told -march=native may move bytes by AVX anywhere, the
# standard library's functions included. A program that must start on lesser machines loads its native unit as a plug-in.)
set -eu
nm=$1
objdump=$2
portable=$4
native=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
weak() { "$nm" "$1" | awk '$2 == "W" || $2 == "V" || $2 == "u" { print $3 }' | grep molmo | LC_ALL=C sort; }
weak "$portable" > "$work/portable" || true
weak "$native" > "$work/native" || true
LC_ALL=C comm -12 "$work/portable" "$work/native" > "$work/shared"
"$objdump" -d --no-show-raw-insn "$native" |
  awk '/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); next }
       /[ \t]v(add|sub|mul|div|sqrt|min|max|fn?m(add|sub))[0-9]*[ps][sd][ \t]/ { if (!(name in seen)) { seen[name] = 1; print name } }' |
  LC_ALL=C sort > "$work/avx"
LC_ALL=C comm -12 "$work/shared" "$work/avx" > "$work/hazard"
echo "$(wc -l < "$work/shared") functions of molmo are in both units, $(wc -l < "$work/hazard") of them calculating with AVX in the native one"
if [ -s "$work/hazard" ]; then
  c++filt < "$work/hazard" | head -n 20
  exit 1
fi
