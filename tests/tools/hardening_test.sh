#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hardening_test.sh <molmo> <what molmo_harden found, in words>: is it in the program? Needs readelf; else 77.
set -u
molmo=$1 found=$2
command -v readelf > /dev/null || { echo "skipped: no readelf"; exit 77; }
failures=0
missing() {
  failures=$((failures + 1))
  echo "FAILED: $1"
}
symbols=$(readelf -W --dyn-syms "$molmo")
for word in $found; do
  case $word in
    pie) readelf -h "$molmo" | grep -q 'Type: *DYN' || missing "the program lies at a fixed address" ;;
    relro)
      readelf -lW "$molmo" | grep -q GNU_RELRO || missing "no part becomes read-only after loading"
      readelf -dW "$molmo" | grep -q -e BIND_NOW -e 'FLAGS.*NOW' || missing "functions are bound when they are first called"
      ;;
    stack) echo "$symbols" | grep -q __stack_chk_fail || missing "no function protects its stack" ;;
    fortify)
      echo "$symbols" | grep -v __stack_chk | grep -q '__[a-z]*_chk[@ ]' || missing "no checked memcpy, fprintf ..."
      ;;
    cf)
      command -v objdump > /dev/null || continue
      marks=$(objdump -d "$molmo" | grep -c -e endbr -e '\<bti\>')
      [ "$marks" -gt 100 ] || missing "only $marks marks where jumps may end"
      ;;
    *) missing "nobody knows how to look for '$word'" ;;
  esac
done
echo "looked for: $found"
[ $failures -eq 0 ]
