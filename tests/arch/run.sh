#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the kernels, compiled for other instruction sets than this machine's and run; NEON under an emulator:
#
#   tests/arch/run.sh [sse4.2] [avx2] [avx512] [vnni] [neon]      all that can run here, when none is named
# neon needs g++-aarch64-linux-gnu and qemu-user from Debian or Ubuntu. Several minutes each; two compilers at a time.
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- sse4.2 avx2 avx512 vnni neon
out=${TMPDIR:-/tmp}/molmo-arch-$$
trap 'rm -rf "$out"' EXIT
files=$(find tests/formats tests/backend tests/ops -name '*_test.cpp' | grep -v -e cuda -e eigen -e onednn -e threads)

# The headers of xsimd and Catch2 alone: a cross compiler must not see the others of this machine.
mkdir -p "$out/include"
for library in xsimd catch2; do
  [ -d "/usr/include/$library" ] || { echo "arch: needs the headers of $library in /usr/include" >&2; exit 1; }
  ln -s "/usr/include/$library" "$out/include/$library"
done

has() { grep -q -w "$1" /proc/cpuinfo; }

status=0
for arch in "$@"; do
  compiler=${CXX:-g++} runner=
  case $arch in
    sse4.2) flags=-msse4.2 ;;
    avx2) flags='-mavx2 -mfma -mf16c'; has avx2 || { echo "$arch: skipped, this processor lacks it"; continue; } ;;
    avx512) flags=-march=skylake-avx512; has avx512bw || { echo "$arch: skipped, this processor lacks it"; continue; } ;;
    vnni) flags=-march=icelake-server; has avx512_vnni || { echo "$arch: skipped, this processor lacks it"; continue; } ;;
    neon)
      compiler=aarch64-linux-gnu-g++ runner=qemu-aarch64 flags=-static
      command -v $compiler $runner >/dev/null || { echo "$arch: skipped, needs g++-aarch64-linux-gnu and qemu-user"; continue; } ;;
    *) echo "arch: $arch is none of sse4.2 avx2 avx512 vnni neon" >&2; exit 2 ;;
  esac
  mkdir "$out/$arch"
  # g++ 12 finds "uninitialized" registers in its own AVX-512 header.
  echo tests/support/main.cpp $files | tr ' ' '\n' | xargs -P 2 -I{} sh -c '
    "$1" -std=c++20 -O1 -Wall -Wextra -Wconversion -Wshadow -Werror -Wno-maybe-uninitialized -Wno-uninitialized $2 \
      -DMOLMO_HAS_XSIMD=1 -DMOLMO_TEST_DATA_DIR=\"$PWD/tests/data\" -DMOLMO_SHARED_DIR=\"\" -I include -I tests -isystem "$3/include" \
      -c {} -o "$3/$4/$(echo {} | tr / _).o"' sh "$compiler" "$flags" "$out" "$arch"
  # shellcheck disable=SC2086
  $compiler $flags "$out/$arch"/*.o -o "$out/$arch/tests" -lpthread
  echo "$arch:"
  $runner "$out/$arch/tests" || status=1
done
exit $status
