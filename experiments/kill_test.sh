#!/bin/bash
# A run that is killed at any moment and resumed has the numbers of one that was
# not, bit for bit: losses, scores, statistics of every layer, heatmaps.
#
#   bazel test //experiments:kill_test
#   bazel run //experiments:kill_test -- 100    # as many kills as you like
set -uo pipefail
source "${PWD}/experiments/killing.sh"

readonly kills="${1:-5}"
readonly train="${PWD}/experiments/train"
work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT
RANDOM=20  # The same moments each time, as shares of a run's duration.

run() {  # run OUTPUT_DIR ARGUMENTS...
  local out="$1"
  shift
  "${train}" --models=fp16,nvfp4 --dataset=synthetic --model_scale_factor=0.125 \
    --crop=32 --batch_size=2 --steps=30 --logf=6 --validate_every=10 \
    --checkpoint_every=5 --threads=1 --progress=off --output_dir="${out}" "$@" \
    >"${work}/log" 2>&1
}

# Everything that was measured, without the time of day and without which FP4
# values changed since the last record, which the first record of a process
# cannot tell.
numbers() {  # numbers OUTPUT_DIR
  grep -E '"type":"(scalars|layer_stats)"' "$1/train/latest/metrics.jsonl" |
    sed -E 's/"time":[0-9.]+,//; s/,"codes_flipped_pct":[^,}]*//'
}
heatmaps() {  # heatmaps OUTPUT_DIR
  (cd "$1/train/latest/plots/heatmaps" && find . -name '*.json' | sort | xargs cat) |
    python3 -c '
import json, sys
for line in sys.stdin:
    heatmaps = json.loads(line)
    heatmaps["statistics"] = [statistic for statistic in heatmaps["statistics"]
                              if statistic["statistic"] != "codes_flipped_pct"]
    print(json.dumps(heatmaps))'
}

started="$(date +%s%N)"
run "${work}/whole" || fail "the run that nothing interrupts"
readonly duration=$((($(date +%s%N) - started) / 1000000))
numbers "${work}/whole" >"${work}/expected"
heatmaps "${work}/whole" >"${work}/expected_heatmaps"
(($(wc -l <"${work}/expected_heatmaps") == 14)) || fail "$(wc -l <"${work}/expected_heatmaps") sets of heatmaps"
# 30 steps of two arms, three validations each, and layers at 6 of the steps.
readonly lines="$(grep -c '"train/loss"' "${work}/expected")"
((lines == 60)) || fail "${lines} steps were recorded, not 60"

begun=0
for ((i = 1; i <= kills; ++i)); do
  out="${work}/killed-${i}"
  run_and_kill "${out}"
  if [[ ! -e "${out}/train/latest/run.json" ]]; then
    echo "kill ${i} after ${delay} ms: the run had not begun"
    continue
  fi
  at="$(numbers "${out}" | grep -c '"train/loss"')"
  run "${out}" --resume=latest || fail "resuming after kill ${i} (${delay} ms)"
  [[ -e "${out}/train/latest/DONE" ]] || fail "kill ${i}: not DONE"
  numbers "${out}" >"${work}/actual"
  cmp -s "${work}/expected" "${work}/actual" ||
    fail "kill ${i} after ${delay} ms: $(diff "${work}/expected" "${work}/actual" | head -4)"
  heatmaps "${out}" >"${work}/actual_heatmaps"
  cmp -s "${work}/expected_heatmaps" "${work}/actual_heatmaps" ||
    fail "kill ${i}: other heatmaps"
  begun=$((begun + 1))
  echo "kill ${i} after ${delay} ms, ${at} steps recorded: resumed to the same bits"
  rm -rf "${out}"
done
((begun > 0)) || fail "no kill met a run that had begun"
