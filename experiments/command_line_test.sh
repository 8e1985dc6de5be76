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
rmdir "${out}" 2>/dev/null

# The pin is in the binary.
"${pinned}" --print_config | grep -q '"model_scale_factor": 0.25' || {
  echo "FAILED: --print_config"
  failed=1
}
exit "${failed}"
