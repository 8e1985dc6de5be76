#!/bin/bash
# A real run: its report, written anew, is the one that the run wrote, byte for
# byte; and a run that was killed in its first arm gets one, too.
set -uo pipefail

readonly runs="experiments/runs/runs"
work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  exit 1
}

# train STEPS FLAGS...
train() {
  local steps="$1"
  shift
  experiments/train --models=fp16,nvfp4 --dataset=synthetic --synthetic_size=64 \
    --model_scale_factor=0.125 --crop=32 --steps="${steps}" --logf=2 --threads=1 \
    --sinks= --progress=lines "$@" 2>&1
}

train 4 --output_dir="${work}/whole" >/dev/null || fail "the training"
readonly run="${work}/whole/train/latest"
cp "${run}/report.html" "${work}/first.html"
rm "$(readlink -f "${run}")/report.html"
"${runs}" report "${run}" >/dev/null || fail "runs report"
cmp "${run}/report.html" "${work}/first.html" || fail "the report differs"
shown="$("${runs}" show "${run}")" || fail "runs show"
grep -q "finished, 2 of 2 arms" <<<"${shown}" || fail "show: ${shown}"
grep -Eq "^train\.steps +4 +[0-9]+$" <<<"${shown}" || fail "show: ${shown}"

# The training that is killed holds its lock, whose file has its process id.
train 100000 --output_dir="${work}/killed" --validate_every=2 >"${work}/log" &
for ((i = 0; i < 600; ++i)); do
  grep -qs '"val/' "${work}"/killed/train/latest/metrics.jsonl && break
  sleep 0.1
done
readonly killed="${work}/killed/train/latest"
listed="$("${runs}" list "${work}/killed")" || fail "runs list"
grep -q " running" <<<"${listed}" || fail "list: ${listed}"
kill -9 "$(cat "${killed}/lock")" || fail "no training to kill"
wait
grep -q " stopped" <<<"$("${runs}" list "${work}/killed")" || fail "list after the kill"
"${runs}" report "${killed}" >/dev/null || fail "report of the killed run"
grep -q "<title>Training loss</title>" "${killed}/report.html" || fail "its curves"
"${runs}" compare "${run}" "${killed}" --output="${work}/comparison.html" >"${work}/compared" ||
  fail "runs compare"
grep -Eq "^train\.steps +4 +100000$" "${work}/compared" || fail "$(cat "${work}/compared")"
grep -q "A nvfp4 ends at" "${work}/comparison.html" || fail "curves of the comparison"
echo "PASSED"
