#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Decoding with molmo against plain C loops, one thread, f32, in one run and in turns:
#   benchmarks/baseline/compare.sh MODEL_FOLDER [BUILD_FOLDER [TOKENS [ROUNDS]]]
# MODEL_FOLDER holds stories260K in Hugging Face's format, BUILD_FOLDER (build/release) the built programs. Both decode
# TOKENS (100) tokens greedily from <s>; a round is a median of 9 of each; the medians of the rounds and their ratio are
# printed.
set -eu
[ $# -ge 1 ] || { sed -n '3,6s/^# *//p' "$0"; exit 2; }
model=$1
bin=${2:-build/release}/bin
tokens=${3:-100}
rounds=${4:-7}
round=0
while [ $round -lt "$rounds" ]; do
  loops=$("$bin/molmo_baseline_llama_baseline" "$model/model.safetensors" "$tokens" 9 | sed -n 's/^\([0-9.]*\) tokens.*/\1/p')
  ours=$("$bin/molmo" bench "$model" --threads 1 --prefill 1 --decode "$tokens" --repeat 9 --json |
    sed 's/.*"decode": {[^}]*"tokens_per_second": \([0-9.]*\).*/\1/')
  echo "$loops $ours"
  round=$((round + 1))
done | awk '
  function median(v, n,   i, j, t) {
    for (i = 2; i <= n; ++i) for (j = i; j > 1 && v[j] < v[j - 1]; --j) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
  }
  { a[NR] = $1; b[NR] = $2; r[NR] = $2 / $1 }
  END {
    ratio = median(r, NR)
    printf "plain C loops  %8.0f tokens/s (%.0f to %.0f)\n", median(a, NR), a[1], a[NR]
    printf "molmo          %8.0f tokens/s (%.0f to %.0f)\n", median(b, NR), b[1], b[NR]
    printf "ratio          %8.2f (%.2f to %.2f), of the rounds\n", ratio, r[1], r[NR]
  }'
