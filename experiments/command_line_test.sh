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

# shows PATTERN COMMAND...: status 0, and PATTERN on stdout.
shows() {
  local pattern="$1" output
  shift
  if ! output="$("$@")" || ! grep -qF -- "${pattern}" <<<"${output}"; then
    echo "FAILED: $*"
    echo "  no '${pattern}' in:"
    echo "${output}"
    failed=1
  fi
}

for program in "${pinned}" "${free}"; do
  for flag in --data_root --logf --resume --workers --max_pixels \
    --keep_checkpoints; do
    shows "${flag} " "${program}" --help
  done
done
for text in "Training:" "--learning_rate NUMBER" "Default: 0.001." \
  "--noaugment" "--set PATH=VALUE" "--models TEXT ..."; do
  shows "${text}" "${free}" --help
done

# One field in all its spellings.
shows '"steps": 3,' "${free}" --print_config --steps=3
shows '"steps": 3,' "${free}" --print_config --steps 3
shows '"steps": 3,' "${free}" --print_config --set train.steps=3
shows '"model_scale_factor": 0.5' "${free}" --print_config \
  --set net.model_scale_factor=0.5 --set train.steps=3
shows '"augment": false' "${free}" --print_config --noaugment
shows '"augment": false' "${free}" --print_config --augment=false
shows '"steps": 0,' "${free}" --print_config --epochs=5
shows '"epochs": 5,' "${free}" --print_config --steps=0 --epochs=5
# The seed project's command line, and this one's.
[[ "$("${free}" --models nvfp4 fp16 --model_scale_factor 0.5 --logf 50 \
  --print_config)" == "$("${free}" --models=nvfp4,fp16 --print_config \
  --model_scale_factor=0.5)" ]] || {
  echo "FAILED: --models nvfp4 fp16 is not --models=nvfp4,fp16"
  failed=1
}
shows "but first=bf16" "${free}" --list_policies
shows "wgrad_dy  nvfp4+sr+rht{" "${free}" --list_policies
shows "fprop_x   nvfp4{" "${free}" --list_policies

# What a pinned program does not choose.
expect 2 "bazel run //experiments:train -- --model_scale_factor=..." \
  "${pinned}" --model_scale_factor=0.5
expect 2 "bazel run //experiments:train -- --models=..." \
  "${pinned}" --models=fp32
expect 2 "//experiments:train -- --set" "${pinned}" --set train.steps=3
expect 2 "unknown flag --stepz" "${pinned}" --stepz=3

# Refused whole: nothing is left in the output directory.
out="$(mktemp -d)"
refused() {  # refused PATTERN FLAGS...
  local pattern="$1"
  shift
  expect 2 "error: ${pattern}" "${free}" --output_dir="${out}" "$@"
}
refused "unknown flag --stepz" --stepz=3
refused "unexpected argument 'nvfp4'" nvfp4
refused "--models: unknown policy 'fp3'; known: fp32" --models=fp16,fp3
refused "--models: policy" --models=fp16,nvfp4:enc9.conv1=bf16
refused "--models has 'fp16' twice" --models fp16 fp16
refused "--crop must be a multiple of 16" --crop=100
refused "--crop is 20000" --crop=20000
refused "--batch_size is 100000" --batch_size=100000
refused "--batch_size is 4294967298" --batch_size=4294967298
refused "--batch_size and crop make a batch of" --batch_size=60000 --crop=512
refused "--keep_checkpoints is 4294967296" --keep_checkpoints=4294967296
refused "--threads is 4294967296" --threads=4294967296
refused "--model_scale_factor 0.3" --model_scale_factor=0.3
refused "--min_scale and max_scale" --min_scale=2
refused "--learning_rate: the number must be finite" --learning_rate=inf
refused "--class_names: the text must be UTF-8" --class_names=$'a,\xff'
refused "--category is for mvtec only" --category=screw
refused "--steps and epochs" --steps=120 --epochs=5
refused "--steps is given 2 times" --steps=3 --steps=4
refused "--set train.steps: the field is given twice" --steps=3 \
  --set train.steps=4
refused "--set there is no field 'train.stepz'" --set train.stepz=4
refused "--epochs must be" --epochs=9223372036854775807
refused "--progress" --progress=loud
refused "--sinks: unknown sink 'heatmap'; known: heatmaps" --sinks=heatmap
refused "--min_scale is a part of augmentation" --noaugment --min_scale=0.5
refused "--warmup_steps is 100, but there are 2 steps" --steps=2 \
  --warmup_steps=100
refused "--initial_loss_scale is for arms that scale" --models=fp32,nvfp4 \
  --initial_loss_scale=8
refused "--wandb_project is for the sink wandb" --sinks= --wandb_project=a
refused "--prefetch is for workers" --workers=0 --prefetch=2
refused "--threads is 1000; this machine has" --threads=1000
refused "--seed must be between" --seed=-1
expect 2 "--resume does not apply to --smoke" "${free}" --smoke --resume=latest
expect 2 "--data_root does not apply to --smoke" "${pinned}" --smoke \
  --data_root=/tmp
refused "--what_if: " --what_if=mxfp4,fp3
refused "--what_if: nvfp4+rht rotates its blocks" --what_if=nvfp4+rht
expect 1 "--data_root is not read by --dataset=nuclei" "${free}" \
  --data_root=/tmp --output_dir="${out}"
expect 1 "unknown device 'tpu'" "${pinned}" --device=tpu --output_dir="${out}"
expect 1 "/nonexistent" "${free}" --dataset=folder --data_root=/nonexistent \
  --output_dir="${out}"
expect 1 "--resume" "${pinned}" --resume=latest --output_dir="${out}"
[[ -z "$(ls -A "${out}")" ]] || {
  echo "FAILED: a refused command left files in its output directory"
  failed=1
}

# A stopped run ends in order and continues: SIGINT 130, SIGTERM 143, SIGHUP 129.
tiny=("${free}" --models=fp16,nvfp4 --dataset=synthetic --model_scale_factor=0.125
  --crop=32 --validate_every=0 --checkpoint_every=0 --logf=0
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
# While a run is alive, no other process can write to it.
"${tiny[@]}" --steps=100000 >"${out}.log" 2>&1 &
alive=$!
for _ in $(seq 600); do
  grep -qs '"step":[3-9]' "${out}"/train/latest/metrics.jsonl && break
  sleep 0.1
done
expect 1 "process ${alive} holds it" "${tiny[@]}" --steps=100000 --resume=latest
kill -s KILL "${alive}"
wait "${alive}" 2>/dev/null
expect 1 "ran another configuration" "${tiny[@]}" --resume=latest
rm -rf "${out}/train"

# In a directory without a run: what a signal leaves there is the program's.
stop HUP 129 --steps=30
rm -rf "${out}/train"
stop INT 130 --steps=30
stop TERM 143 --steps=30 --resume=latest
"${tiny[@]}" --steps=30 --resume=latest >"${out}.log" 2>&1 || {
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
