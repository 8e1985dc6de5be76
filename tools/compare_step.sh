#!/bin/bash
# The FP32 training step of //train:step_benchmark beside PyTorch eager, in turn.
#
# usage: bazel run //tools:compare_step -- [PAIRS]      (default: 10 pairs)
#
# PYTHON names an interpreter that has PyTorch (default: python3); the bazel run
# of //tools/conformance makes one in
# ~/.cache/cnn_fp4_emulation/conformance-*/bin/python. OMP_NUM_THREADS: threads of
# both (default: one a core). Medians of the steps of each run, in ms; the last
# line has the medians over all runs and their ratio.
set -euo pipefail

readonly benchmark="$1" script="$2"
readonly pairs="${3:-10}" python="${PYTHON:-python3}"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"
"${python}" -c 'import torch' 2>/dev/null || {
  echo "compare_step: ${python} has no PyTorch; PYTHON=<interpreter with torch 2.11.0>" >&2
  exit 1
}

median() { sort -g | awk '{x[NR] = $1} END {print (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2}'; }

# Repetitions of two steps each, so that the median leaves out what else the
# machine did.
ours_once() {
  "${benchmark}" --benchmark_filter=fp32_s025 --benchmark_min_time=0.2 \
    --benchmark_repetitions=8 --benchmark_format=csv 2>/dev/null |
    awk -F, '/real_time_median/ {print $3}'
}
peer_once() {
  "${python}" "${script}" --steps=16 --threads="${OMP_NUM_THREADS}" |
    sed -n 's/.*median \([0-9.]*\) ms.*/\1/p'
}

ours=() peer=()
for ((i = 0; i < pairs; ++i)); do
  ours+=("$(ours_once)")
  peer+=("$(peer_once)")
  echo "ours ${ours[-1]}   PyTorch ${peer[-1]}"
done
a="$(printf '%s\n' "${ours[@]}" | median)"
b="$(printf '%s\n' "${peer[@]}" | median)"
awk -v a="${a}" -v b="${b}" -v n="${pairs}" -v t="${OMP_NUM_THREADS}" 'BEGIN {
  printf "%d pairs, %s threads: ours %.1f ms, PyTorch %.1f ms, ratio %.3f\n", n, t, a, b, a / b }'
