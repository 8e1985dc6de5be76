#!/bin/bash
# A run whose record is taken away ends: with its directory removed, with
# metrics.jsonl removed, each in the middle of the training, with exit status 1
# and a line that says what is gone.
set -uo pipefail

readonly train="${PWD}/experiments/train"
work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  tail -n 20 "${work}/log"
  exit 1
}

# ends_without FILE TEXT: the run directory's FILE, or all of it where FILE is
# empty, is removed as soon as there are records.
ends_without() {
  local out="${work}/out" run="" journal="" pid status
  rm -rf "${out}"
  "${train}" --models=fp32 --dataset=synthetic --model_scale_factor=0.125 \
    --crop=32 --batch_size=2 --steps=100000 --logf=0 --threads=1 \
    --progress=off --sinks= --output_dir="${out}" >"${work}/log" 2>&1 &
  pid=$!
  for ((i = 0; i < 600; ++i)); do
    journal="$(compgen -G "${out}/*/*/metrics.jsonl" | grep -v latest | head -1)"
    [[ -n "${journal}" ]] && grep -q '"train/loss"' "${journal}" && break
    sleep 0.1
  done
  [[ -n "${journal}" ]] || fail "no metrics.jsonl in a minute"
  run="$(dirname -- "${journal}")"
  rm -rf -- "${run:?}${1:+/$1}"
  for ((i = 0; i < 600; ++i)); do
    kill -0 "${pid}" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "${pid}" 2>/dev/null && fail "removing '$1' did not end the run"
  wait "${pid}"
  status=$?
  ((status == 1)) || fail "removing '$1': exit status ${status}"
  grep -q -- "$2" "${work}/log" || fail "removing '$1': no '$2'"
  [[ ! -e "${run}/DONE" ]] || fail "removing '$1': the run says that it is done"
}

ends_without metrics.jsonl 'error: .*metrics.jsonl'
ends_without '' 'error: .*metrics.jsonl'
