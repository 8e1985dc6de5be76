#!/bin/bash
# What a person sees who types something wrong: one line and a status.
set -uo pipefail

readonly pinned="experiments/fp16_vs_nvfp4_s025"
readonly free="experiments/train"
failed=0

# expect STATUS PATTERN COMMAND...: the status, and one line of stderr that has
# the pattern.
expect() {
  local status="$1" pattern="$2" output actual
  shift 2
  output="$("$@" 2>&1 >/dev/null)"
  actual=$?
  if [[ "${actual}" != "${status}" ]] || ! grep -qF -- "${pattern}" <<<"${output}"; then
    echo "FAILED: $*"
    echo "  status ${actual}, expected ${status}; no '${pattern}' in:"
    echo "${output}"
    failed=1
  fi
}

# --help shows the flags of all files, not of main's own alone.
for flag in --data_root --logf --resume; do
  for program in "${pinned}" "${free}"; do
    help="$("${program}" --help)"
    [[ "${help}" == *"${flag} ("* ]] || {
      echo "FAILED: ${program} --help does not know ${flag}"
      failed=1
    }
  done
done

expect 2 "//experiments:train" "${pinned}" --model_scale_factor=0.5
expect 2 "unknown flag --stepz" "${free}" --stepz=3
expect 2 "unexpected argument 'nvfp4'" "${free}" nvfp4
expect 2 "nvfp4_seed" "${free}" --models=fp16,fp3
expect 2 "--crop" "${free}" --crop=100
expect 2 "--progress" "${pinned}" --progress=loud
out="$(mktemp -d)"
expect 1 "unknown device 'tpu'" "${pinned}" --device=tpu --output_dir="${out}"
expect 1 "/nonexistent" "${free}" --dataset=folder --data_root=/nonexistent \
  --output_dir="${out}"
expect 1 "--resume" "${pinned}" --resume=latest --output_dir="${out}"
[[ -z "$(ls -A "${out}")" ]] || {
  echo "FAILED: a refused command left files in its output directory"
  failed=1
}

# A stopped run ends in order and continues: SIGINT 130, SIGTERM 143.
tiny=("${free}" --models=fp16,nvfp4 --dataset=synthetic --model_scale_factor=0.125
  --crop=32 --steps=30 --validate_every=0 --checkpoint_every=0 --logf=0
  --output_dir="${out}")
stop() {  # stop SIGNAL STATUS ARGUMENTS...
  local signal="$1" expected="$2" pid status
  shift 2
  "${tiny[@]}" "$@" >"${out}.log" 2>&1 &
  pid=$!
  # Once it is training: a record of a step is there.
  for _ in $(seq 600); do
    grep -qs '"step":[3-9]' "${out}"/train/latest/metrics.jsonl && break
    sleep 0.1
  done
  kill -s "${signal}" "${pid}"
  wait "${pid}"
  status=$?
  if [[ "${status}" != "${expected}" ]]; then
    echo "FAILED: ${signal} gave status ${status}, expected ${expected}"
    cat "${out}.log"
    failed=1
  fi
  for file in summary.json report.html; do
    [[ -f "${out}/train/latest/${file}" ]] || {
      echo "FAILED: ${signal}: no ${file}"
      failed=1
    }
  done
  [[ ! -e "${out}/train/latest/DONE" ]] || {
    echo "FAILED: ${signal}: a stopped run says DONE"
    failed=1
  }
}
# Background jobs of a script without job control ignore SIGINT.
set -m
stop INT 130
stop TERM 143 --resume=latest
"${tiny[@]}" --resume=latest >"${out}.log" 2>&1 || {
  echo "FAILED: --resume=latest"
  cat "${out}.log"
  failed=1
}
[[ -e "${out}/train/latest/DONE" ]] || {
  echo "FAILED: a resumed run that finished does not say DONE"
  failed=1
}
[[ "$(grep -c '"train/loss"' "${out}/train/latest/metrics.jsonl")" == 60 ]] || {
  echo "FAILED: the resumed run does not have each step of both arms once"
  failed=1
}
rm -rf "${out}" "${out}.log"

# The pin is in the binary.
"${pinned}" --print_config | grep -q '"model_scale_factor": 0.25' || {
  echo "FAILED: --print_config"
  failed=1
}
exit "${failed}"
