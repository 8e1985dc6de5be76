#!/bin/bash
# A study that is killed at several moments and started again by the same
# command ends with the numbers of one that was not; what is done is not trained
# again; a pinned study chooses neither its arms nor its seeds.
set -uo pipefail
source "${PWD}/experiments/killing.sh"

readonly study="${PWD}/experiments/study"
readonly pinned="${PWD}/experiments/first_convolution_s025"
work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT
RANDOM=21  # The same moments each time, as shares of a study's duration.

run() {  # run OUTPUT_DIR ARGUMENTS...
  local out="$1"
  shift
  "${study}" --arms=fp32,nvfp4 --seeds=1,2 --dataset=synthetic \
    --model_scale_factor=0.125 --crop=32 --batch_size=2 --steps=8 --logf=0 \
    --threads=1 --progress=off --output_dir="${out}" "$@" >"${work}/log" 2>&1
}

# The paired differences, and the arms without their training times.
numbers() {  # numbers OUTPUT_DIR
  grep '^| ' "$1/study.md" | sed -E 's/[^|]*± [^|]*\|$/|/'
}

expect_refused() {  # expect_refused TEXT COMMAND...
  local text="$1"
  shift
  "$@" >"${work}/log" 2>&1
  [[ $? == 2 ]] || fail "$*: not refused"
  grep -qF -- "${text}" "${work}/log" || fail "$*: no '${text}'"
}

started="$(date +%s%N)"
run "${work}/whole" || fail "the study that nothing interrupts"
readonly duration=$((($(date +%s%N) - started) / 1000000))
numbers "${work}/whole" >"${work}/expected"
grep -q '^4 of 4 cells are done' "${work}/whole/study.md" ||
  fail "not all cells are done"
# fp32 and nvfp4, their header, and val loss, mIoU, ... with theirs.
(($(grep -c 'nvfp4' "${work}/expected") >= 3)) || fail "rows are missing"

for ((i = 1; i <= 3; ++i)); do
  out="${work}/killed-${i}"
  run_and_kill "${out}"
  done_before="$(find "${out}" -name arm.json 2>/dev/null | wc -l)"
  run "${out}" || fail "going on after kill ${i} (${delay} ms)"
  numbers "${out}" >"${work}/actual"
  cmp -s "${work}/expected" "${work}/actual" ||
    fail "kill ${i}: $(diff "${work}/expected" "${work}/actual" | head -4)"
  echo "kill ${i} after ${delay} ms, ${done_before} cells done: same numbers"
done

# Results that lie elsewhere are taken, not trained again.
run "${work}/elsewhere" --done="${work}/whole" || fail "--done"
numbers "${work}/elsewhere" | cmp -s - "${work}/expected" || fail "--done"
[[ -z "$(find "${work}/elsewhere" -name arm.json)" ]] ||
  fail "a cell of --done was trained again"

# Conditions are sections, and what is done is not trained again.
run "${work}/conditions" --done="${work}/whole" \
  --conditions='same:train.steps=8,short:train.steps=4' || fail "--conditions"
grep -q '^8 of 8 cells are done' "${work}/conditions/study.md" ||
  fail "--conditions: not all cells are done"
grep -q '^## short' "${work}/conditions/study.md" || fail "no section"
[[ "$(find "${work}/conditions" -name arm.json | wc -l)" == 4 ]] ||
  fail "--conditions: trained others than the four new cells"

# A report of what is done trains nothing, whatever is missing.
run "${work}/report" --done="${work}/whole" --report_only \
  --conditions='same:train.steps=8,other:train.steps=3' || fail "--report_only"
grep -q '^Incomplete: 4 of 8 cells are done' "${work}/report/study.md" ||
  fail "--report_only: study.md"
[[ -z "$(find "${work}/report" -name arm.json)" ]] ||
  fail "--report_only trained"
run "${work}/nothing" --report_only && fail "--report_only without a cell"
grep -qF -- "--report_only: none of the cells is done" "${work}/log" ||
  fail "--report_only without a cell: $(cat "${work}/log")"

# A range names one seed, which a number alone cannot.
"${study}" --arms=fp32 --seeds=7..7 --print_config |
  tr -d ' \n' | grep -qF '"seeds":[7]' || fail "--seeds=7..7"

expect_refused "--seeds has 1 twice" "${study}" --seeds=1,1
expect_refused "'7..' is no seed" "${study}" --seeds=7..
expect_refused "'x' is no seed" "${study}" --seeds=x
expect_refused "--conditions: 'x' is not NAME:PATH=VALUE" \
  "${study}" --conditions=x
expect_refused "--conditions: a: there is no field 'train.stops'" \
  "${study}" --conditions=a:train.stops=3
expect_refused "--conditions: a: min_scale is a part of augmentation" \
  "${study}" --conditions='a:batch.augment=false;batch.min_scale=0.5'
expect_refused "unknown policy 'fp3'" "${study}" --arms=fp16,fp3
expect_refused "a study has --arms" "${study}" --models=fp16
expect_refused "are pinned" "${pinned}" --arms=fp16
"${pinned}" --print_config | grep -q '"nvfp4_seed:first=fp32"' ||
  fail "the pinned study's arms"
