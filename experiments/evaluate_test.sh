#!/bin/bash
# //experiments:evaluate gives the numbers that the training gave, and those of
# another policy.
set -uo pipefail

work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  exit 1
}

experiments/train --models=fp16,nvfp4 --dataset=synthetic --synthetic_size=64 \
  --model_scale_factor=0.125 --crop=32 --steps=6 --validate_every=0 --logf=0 \
  --threads=1 --progress=off --output_dir="${work}" >/dev/null 2>&1 ||
  fail "the training"
readonly run="${work}/train/latest"

# score CHECKPOINT OUTPUT FLAGS...: metrics as "key value" lines.
score() {
  local checkpoint="$1" output="$2"
  shift 2
  experiments/evaluate --checkpoint="${run}/checkpoints/${checkpoint}" \
    --threads=1 --json="${output}" "$@" >"${work}/log" 2>&1
}
metrics() {
  /usr/bin/python3 -c '
import json, sys
for key, value in sorted(json.load(open(sys.argv[1]))["metrics"].items()):
    print(key, repr(value["value"] if isinstance(value, dict) else value))
' "$1"
}

for arm in fp16 nvfp4; do
  for checkpoint in best.pt step-000006.pt; do
    score "${arm}/${checkpoint}" "${work}/scores" || fail "${arm}/${checkpoint}: $(cat "${work}/log")"
    diff <(metrics "${run}/arms/${arm}/arm.json") <(metrics "${work}/scores") ||
      fail "${arm}/${checkpoint} has other numbers than the training"
  done
done
score fp16/best.pt "${work}/own" || fail "fp16"
score fp16/best.pt "${work}/nvfp4" --policy=nvfp4:first=bf16 || fail "--policy"
cmp -s <(metrics "${work}/own") <(metrics "${work}/nvfp4") &&
  fail "another policy gives the same numbers"

# expect PATTERN FLAGS...: one line, and no success.
expect() {
  local pattern="$1"
  shift
  experiments/evaluate "$@" >/dev/null 2>"${work}/error" && fail "accepted: $*"
  grep -qF -- "${pattern}" "${work}/error" ||
    fail "$*: no '${pattern}' in: $(cat "${work}/error")"
}
expect "--checkpoint or init must be given"
expect "--checkpoint or init must be given" --checkpoint=a --init=b
expect "--model_scale_factor goes with --init" --checkpoint=a \
  --model_scale_factor=1
expect "cannot open" --init=/nonexistent.safetensors
expect "no such checkpoint" --checkpoint=/nonexistent/best.pt
expect "nvfp4_seed" --checkpoint="${run}/checkpoints/fp16/best.pt" --policy=fp3
expect "is not in a run" --checkpoint="$0"
expect "out.weight" --checkpoint="${run}/checkpoints/fp16/best.pt" \
  --dataset=nuclei
