#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One public header must compile alone:
#   sh check.sh <stamp> <depfile> "<absent components>" <compiler and flags ...> <unit that includes it>
# A header of a component whose package is not on this machine is skipped, and only such a header.
set -u
stamp=$1
depfile=$2
absent=$3
shift 3
log=$stamp.log
for unit; do :; done
if "$@" -MD -MF "$depfile" -MT "$stamp" > "$log" 2>&1; then
  if grep -q 'warning' "$log"; then cat "$log"; exit 1; fi
  rm -f "$log"
  touch "$stamp"
  exit 0
fi
missing=$(sed -n "s/.*fatal error: '\{0,1\}\([A-Za-z0-9_./]*\)'\{0,1\}\(: No such file or directory\| file not found\).*/\1/p" "$log" | head -n 1)
case $missing in
  xsimd/*) component=xsimd ;;
  *dnnl*) component=onednn ;;
  Eigen/*) component=eigen ;;
  nlohmann/*) component=io ;;
  cuda*|cub/*|thrust/*) component=cuda ;;
  *) component=none ;;
esac
case " $absent " in
  *" $component "*)
    echo "skipped: ${unit##*/} needs $missing, which is not on this machine"
    : > "$depfile"
    touch "$stamp"
    exit 0 ;;
esac
echo "does not compile alone: ${unit##*/}"
head -n 40 "$log"
exit 1
