#!/bin/bash
# Mutation test of the quantiser: does a test fail for a one-line error?
#
# usage: quant/mutate.sh DIRECTORY [NAME...]
#        quant/mutate.sh --check
#
# Copies the workspace to DIRECTORY/tree, makes one mutation after the other
# there and runs the tests that shall notice it. DIRECTORY/results has a line
# for each, so that a run that was stopped goes on where it was; remove a line,
# or name the mutation, to try it again. Exit status 1 if one survives.
#
# Another mutation is a line below: NAME@FILE@SED SCRIPT@TESTS. The script has to
# change exactly one line, and the tests are all that is built. None may survive:
# one that changes nothing does not belong here. --check only looks whether each
# script still changes one line; a test does it (//quant:mutations_test).
set -euo pipefail

mutations() {
  cat <<'LIST'
finite-s@quant/scale_rules.h@s/MinFloat\(t\.range \/ amax, kFloatMax\)/(t.range \/ amax)/@//quant:scale_rules_test
per-tensor-sixth@quant/scale_rules.h@s/MinFloat\(a \/ t\.element_max, t\.float32_max\)/MinFloat(a * (1.0f \/ 6.0f), t.float32_max)/@//quant:scale_rules_test
one-level-sixth@quant/scale_rules.h@s/EncodeE4m3\(a \/ t\.element_max\)/EncodeE4m3(a * (1.0f \/ 6.0f))/@//quant:scale_rules_test
midmax-bound@quant/scale_rules.h@s/mantissa > 0x00600000u/mantissa >= 0x00600000u/@//quant:scale_rules_test
static-four@quant/scale_rules.h@s/(rule == ScaleRule::kStaticFour\) return) 4/\1 6/@//quant:scale_rules_test
error-unit@quant/scale_rules.h@s/\(254 - exponent\) << 23/(253 - exponent) << 23/@//quant:scale_rules_test
sylvester-signs@quant/hadamard.h@s/0xD7E8/0xD7E9/@//quant:properties_test
saturate-nan@quant/quantize_checks.h@s/(isnan\(x\)\) return) 0\.0f/\1 1.0f/@//quant:edges_test
propagate-scale@quant/cpu/slow_blocks.cc@s/factors\.dequantize = kNan/factors.dequantize = 0.0f/@//quant:edges_test
best-of-126-ties@quant/choose_scale.h@s/error < best_error/error <= best_error/@//quant:scale_rules_test
four-over-six-ties@quant/cpu/panel_errors-inl.h@s/if_less\.stored, otherwise\.stored/otherwise.stored, if_less.stored/@//quant:quantizer_test
counter-high-word@quant/cpu/philox_fill.cc@s/hn::ShiftRight<32>\(c0\)/hn::Zero(d)/@//quant:quantizer_golden_test
step-high-word@quant/cpu/philox_fill.cc@s/hn::Set\(d, step >> 32\)/hn::Zero(d)/@//quant:quantizer_golden_test
stochastic-bound@quant/formats/e2m1_rounding.h@s/bound > static_cast<float>/bound >= static_cast<float>/@//quant/formats:codecs_test
environment@quant/float_environment.h@s/kOwn = 0x1F80/kOwn = 0x9F80/@//quant:float_environment_test
environment-of-threads@quant/cpu/parallel.h@/RunOnThreads\(threads, \[/,/try/s/const FloatEnvironment environment;/(void)0;/@//quant:float_environment_test
threads-bound@quant/cpu/parallel.h@s/threads > tasks\)/threads > tasks + 1)/@//quant/cpu:parallel_test
forked@quant/cpu/parallel.cc@s/was_forked \? 1 : omp/false ? 1 : omp/@//quant/cpu:parallel_test
huge-block-amax@quant/cpu/huge_blocks.cc@s/p = 0; p < pieces/p = 1; p < pieces/@//quant:quantizer_test
amax-of-what-is-admitted@quant/cpu/amax.cc@s/Add\(Admitted\(job, x\[i \* stride\]\), amax\)/Add(x[i * stride], amax)/@//quant:quantizer_test
block-clamp@quant/block_grid.cc@s/std::min\(block, whole\)/block/@//quant:edges_test
first-element@quant/quantize_checks.cc@s/options\.first_element < 0 \|\|/false \|\|/@//quant:edges_test
random-rows@quant/cpu/job.cc@s/job\.options\.first_element \+ first;/first;/@//quant:quantizer_test
operand-scale@quant/cpu/unpack.cc@s/if \(operand_ \|\|/if (/@//quant:quantizer_test
narrow-limit@quant/cpu/narrow.cc@s/kLargestHalf = 65504/kLargestHalf = 65536/@//quant:edges_test
both-ways-runs@quant/cpu/bands.h@s/body\(band\.offset \+ r \* band\.stride/body(band.offset + r * band.width/@//quant:both_ways_test
both-ways-amax@quant/cpu/amax.cc@s/!rows\.recipe\.hadamard \&\& !columns/!columns/@//quant:both_ways_test
pairs-finite@quant/cpu/pair_sums-inl.h@s/hn::And\(finite, hn::Eq\(x, y\)\)/hn::Eq(x, y)/@//quant:distortion_test
pairs-order@quant/cpu/pair_sums-inl.h@s/part \+ 1, a\)/part, a)/@//quant:both_ways_test
narrow-source@quant/cpu/job.cc@s/Widen\(job\.narrow, first, n/Widen(job.narrow, 0, n/@//quant:random_cases_test
narrow-element@quant/cpu/narrow.cc@s/Widen\(x, i, 1/Widen(x, i - i % 2, 1/@//quant:random_cases_test //quant:edges_test
plan-columns@quant/cpu/plan.cc@s/block_cols\(\) <= kMostRows/block_cols() < kMostRows/@//quant/cpu:plan_test
one-by-one@quant/cpu/run_job.cc@s/tasks\.first\(task\), tasks\.count\(task\)/tasks.first(task), 1/@//quant/cpu:plan_test
plan-huge@quant/cpu/plan.cc@s/>= kHugeBlock/> kHugeBlock/@//quant/cpu:plan_test
band-of-rows@quant/cpu/bands.cc@s/AlongMemory\(grid\) \&\& !by_row/AlongMemory(grid) \&\& (true || by_row)/@//quant/cpu:plan_test
band-end@quant/cpu/bands.cc@s/last\.cols - 1/first.cols - 1/@//quant/cpu:plan_test
spread-inner@quant/cpu/bands.cc@s/inner == 1 \? kUnitElements : inner/kUnitElements/@//quant/cpu:plan_test
short-end@quant/cpu/chunks.cc@s/count - \(grid\.block\(end - 1\)\.cols < grid\.block_cols\(\)\)/count/@//quant/cpu:plan_test
chunks-by-error@quant/cpu/quantize_panel.cc@s/factors\.value_factor,$/factors.factor,/@//quant:quantizer_test
stochastic-ties@quant/cpu/lane_math-inl.h@s/hn::Lt\(bits, remainder\)/hn::Gt(bits, remainder)/@//quant/cpu:kernels_test
philox-vectors@quant/cpu/philox_fill.cc@s/first \+ v \* kBlocks/first + kBlocks/@//quant:quantizer_golden_test //quant/cpu:plan_test
line-pieces@quant/cpu/bands.cc@s/CeilDiv\(most, grid\.inner\(\)\) \* grid\.inner\(\)/most/@//quant/cpu:plan_test
swizzle-order@quant/scale_swizzle.cc@s/r % 32 \* 16 \+/r % 32 * 4 +/@//quant:scale_swizzle_test
LIST
}

[[ $# -ge 1 ]] || { sed -n '2,15p' "$0"; exit 2; }
source="$(dirname -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")")"

# changed_lines FILE SCRIPT: how many lines of the source the script changes.
changed_lines() {
  sed -E -- "$2" "${source}/$1" | diff -- "${source}/$1" - | grep -c '^>' || true
}

if [[ "$1" == --check ]]; then
  status=0
  while IFS='@' read -r name file script tests; do
    changed="$(changed_lines "${file}" "${script}")"
    [[ "${changed}" == 1 ]] && continue
    echo "${name}: the script changes ${changed} lines of ${file}" >&2
    status=1
  done < <(mutations)
  exit "${status}"
fi

mkdir -p "$1"
directory="$(realpath "$1")"
shift
tree="${directory}/tree"
results="${directory}/results"
touch "${results}"

mkdir -p "${tree}"
cd -- "${source}"
git ls-files -z --cached --others --exclude-standard |
  tar --null --ignore-failed-read -cf - -T - | tar -xf - -C "${tree}"
for own in user.bazelrc .bazelrc.local; do
  if [[ -e "${own}" ]]; then cp -- "${own}" "${tree}/"; fi
done

# Prints killed or survived.
try() {
  local file="$1" script="$2" tests="$3"
  local path="${tree}/${file}"
  local changed
  changed="$(changed_lines "${file}" "${script}")"
  if [[ "${changed}" != 1 ]]; then
    echo "broken: the script changes ${changed} lines"
    return
  fi
  sed -E -- "${script}" "${source}/${file}" >"${path}"
  local status=0
  # shellcheck disable=SC2086
  (cd -- "${tree}" && bazel test --noshow_progress --test_output=summary \
    ${tests}) >"${directory}/log" 2>&1 || status=$?
  cp -- "${source}/${file}" "${path}"
  case "${status}" in
    0) echo survived ;;
    3) echo killed ;;
    *) echo "broken: bazel ends with ${status}, see ${directory}/log" ;;
  esac
}

while IFS='@' read -r name file script tests <&3; do
  if [[ $# -gt 0 ]]; then
    [[ " $* " == *" ${name} "* ]] || continue
  elif grep -q "^${name} killed" "${results}"; then
    continue
  fi
  outcome="$(try "${file}" "${script}" "${tests}")"
  echo "${name} ${outcome}"
  { grep -v "^${name} " "${results}" || true; } >"${results}.new"
  echo "${name} ${outcome}" >>"${results}.new"
  mv -- "${results}.new" "${results}"
done 3< <(mutations)

total="$(mutations | wc -l)"
killed="$(grep -c ' killed$' "${results}" || true)"
echo "${killed} of ${total} mutations killed"
[[ "${killed}" == "${total}" ]]
