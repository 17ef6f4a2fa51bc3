#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sh check_symbols.sh <nm> <objdump> <objects of main, portable and native, in this order>
# Where both units define one inline function, the linker keeps either copy. So no function of molmo that both have may
# calculate with AVX registers in the native unit, in floats or in whole numbers, or read and set by an AVX instruction
# how the thread rounds: what does is a template of its backend or of its registers, or lies in the inline namespace of
# its instruction set, and so has two names. (Moves are another matter: a compiler told -march=native may move bytes by
# AVX anywhere, and end that with vzeroupper, the standard library's functions included. A program that must start on
# lesser machines loads its native unit as a plug-in.)
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
"$objdump" -dr --no-show-raw-insn "$native" > "$work/code"
awk '/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); next }
       { op = $2 ~ /^\{/ ? $3 : $2 }  # {vex} vpdpbusd
       op ~ /^v(add|sub|mul|div|sqrt|min|max|fn?m(add|sub)|h(add|sub)|dp|rcp|rsqrt|round|rndscale|scalef|cvt|(ld|st)mxcsr|u?comis|cmp[a-z]*[ps][sd])/ ||
       op ~ /^vp(add|sub|mul|madd|min|max|abs|sign|avg|sad|h(add|sub)|dp|sll|srl|sra|cmpgt)/ {
         if (!(name in seen)) { seen[name] = 1; print name } }' "$work/code" |
  LC_ALL=C sort > "$work/avx"
LC_ALL=C comm -12 "$work/shared" "$work/avx" > "$work/hazard"
# A function that both have must not call one that only the native unit has: whoever gets the copy would end up there.
LC_ALL=C comm -13 "$work/portable" "$work/native" > "$work/own"
awk -v shared="$work/shared" -v own="$work/own" '
    BEGIN { while ((getline name < shared) > 0) is_shared[name] = 1; while ((getline name < own) > 0) is_own[name] = 1 }
    /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); next }
    $2 ~ /^R_/ { target = $3; sub(/[-+]0x.*/, "", target); if (name in is_shared && target in is_own) print name " calls " target }' "$work/code" |
  LC_ALL=C sort -u > "$work/calls"
echo "$(wc -l < "$work/shared") functions of molmo are in both units; in the native one $(wc -l < "$work/hazard") of them calculate with AVX"
echo "and $(wc -l < "$work/calls") call what only that one has"
if [ -s "$work/hazard" ] || [ -s "$work/calls" ]; then
  cat "$work/hazard" "$work/calls" | c++filt | head -n 20
  exit 1
fi
