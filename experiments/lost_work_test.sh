#!/bin/bash
# What may go wrong around a training: damaged files, other data, a full disk, a
# lost terminal. The trained arms and their checkpoints stay, what is wrong is
# said in one line, and a resume makes up for what is missing with the same
# numbers.
set -uo pipefail

readonly train="${PWD}/experiments/train"
threads=1
work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  [[ -e "${work}/log" ]] && tail -n 20 "${work}/log"
  exit 1
}

# Four images of noise with a bright square in train, two in val.
/usr/bin/python3 - "${work}/data" <<'END' || fail "the data set"
import os, random, struct, sys, zlib

def png(path, rows):
    def chunk(kind, body):
        return (struct.pack(">I", len(body)) + kind + body +
                struct.pack(">I", zlib.crc32(kind + body)))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    head = struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
                   chunk(b"IDAT", data) + chunk(b"IEND", b""))

random.seed(1)
for split, count in (("train", 4), ("val", 2)):
    for i in range(count):
        x, y = random.randrange(24), random.randrange(24)
        inside = lambda r, c: y <= r < y + 8 and x <= c < x + 8
        png(f"{sys.argv[1]}/{split}/images/{i}.png",
            [[random.randrange(60) + 180 * inside(r, c) for c in range(32)]
             for r in range(32)])
        png(f"{sys.argv[1]}/{split}/masks/{i}.png",
            [[255 * inside(r, c) for c in range(32)] for r in range(32)])
END

# run OUTPUT_DIR FLAGS...: two arms of 8 steps; the status is left in ${status}.
run() {
  local out="$1"
  shift
  "${train}" --models=fp16,nvfp4 --dataset=folder --data_root="${work}/data" \
    --model_scale_factor=0.125 --crop=32 --batch_size=2 --steps=8 \
    --validate_every=4 --checkpoint_every=2 --keep_checkpoints=9 --logf=4 \
    --threads="${threads}" --progress=off --output_dir="${out}" "$@" \
    >"${work}/table" 2>"${work}/log"
  status=$?
}

# says STATUS PATTERN: what the last run ended with, in one line of an error.
says() {
  [[ "${status}" == "$1" ]] || fail "status ${status}, expected $1 and '$2'"
  [[ "$(grep -c '^error: ' "${work}/log")" == "$([[ "$1" == 1 ]] && echo 1 || echo 0)" ]] ||
    fail "not one error"
  grep -qF -- "$2" "${work}/log" || fail "no '$2'"
}

# But for the codes that changed since the last record, which a resumed run does
# not know at first.
numbers() {  # numbers OUTPUT_DIR
  grep -E '"type":"(scalars|layer_stats)"' "$1/train/latest/metrics.jsonl" |
    sed -E 's/"time":[0-9.]+,//; s/,"codes_flipped_pct":[^,}]*//'
}

# same OUTPUT_DIR: the run is done, with the numbers of the one without trouble.
same() {
  ((status == 0)) || fail "status ${status}"
  [[ -e "$1/train/latest/DONE" ]] || fail "$1: not DONE"
  numbers "$1" >"${work}/actual"
  cmp -s "${work}/expected" "${work}/actual" ||
    fail "$1: $(diff "${work}/expected" "${work}/actual" | head -4)"
}

# left OUTPUT_DIR: no DONE, but a table, a report and the arm's checkpoints.
left() {
  local latest="$1/train/latest"
  [[ ! -e "${latest}/DONE" ]] || fail "$1: DONE"
  grep -q '^fp16 ' "${work}/table" || fail "$1: no table"
  for file in summary.json report.html arms/fp16/arm.json \
    checkpoints/fp16/step-000008.pt; do
    [[ -e "${latest}/${file}" ]] || fail "$1: no ${file}"
  done
}

run "${work}/whole"
((status == 0)) || fail "the run without trouble"
numbers "${work}/whole" >"${work}/expected"

# A validation image is damaged behind its header: found at the first
# validation, after a checkpoint.
out="${work}/validation"
cp "${work}/data/val/images/0.png" "${work}/whole.png"
head -c 300 "${work}/whole.png" >"${work}/data/val/images/0.png"
run "${out}"
says 1 "fp16: validation after step 4: ${work}/data/val/images/0.png: damaged"
[[ -e "${out}/train/latest/checkpoints/fp16/step-000004.pt" ]] ||
  fail "no checkpoint before the validation"
grep -q '^fp16 ' "${work}/table" || fail "no table of the arm that was cut off"
# Its size is another one, and so are the data.
cp "${work}/whole.png" "${work}/data/val/images/0.png"
run "${out}" --resume=latest
says 1 "--resume: ${out}"
grep -q 'was trained on other data' "${work}/log" || fail "other data pass"

# The same, of a file of the same size, so that the data pass for the same.
out="${work}/same_size"
printf 'damaged' | dd of="${work}/data/val/images/0.png" bs=1 seek=200 \
  conv=notrunc 2>/dev/null
run "${out}"
says 1 "fp16: validation after step 4: ${work}/data/val/images/0.png: damaged"
cp "${work}/whole.png" "${work}/data/val/images/0.png"
run "${out}" --resume=latest
same "${out}"

# The picture cannot be made.
out="${work}/picture"
run "${out}"
latest="${out}/train/latest"
rm -r "${latest}/plots/overlays" "${latest}/DONE"
touch "${latest}/plots/overlays"
run "${out}" --resume=latest
says 1 "plots/overlays"
left "${out}"
rm "${latest}/plots/overlays"
run "${out}" --resume=latest
same "${out}"
[[ -e "${latest}/plots/overlays/semantic_validation.png" ]] || fail "no picture"

# Newest checkpoints are damaged, and a writer was killed.
out="${work}/damaged"
cp -r "${work}/whole" "${out}"
checkpoints="${out}/train/latest/checkpoints/nvfp4"
rm "${out}/train/latest/DONE"
printf 'x' | dd of="${checkpoints}/step-000008.pt" bs=1 seek=999 conv=notrunc \
  2>/dev/null
: >"${checkpoints}/step-000006.pt"
touch "${checkpoints}/.step-000008.pt.123.tmp"
run "${out}" --resume=latest
grep -q "^warning: .*step-000008.pt: not a readable checkpoint (its checksum .*nvfp4/damaged-step-000008.pt, and the arm continues from step 4, so that 4 steps are lost" \
  "${work}/log" || fail "the damaged checkpoint is not named"
same "${out}"
[[ -e "${checkpoints}/damaged-step-000008.pt" &&
  ! -e "${checkpoints}/.step-000008.pt.123.tmp" ]] || fail "leftovers"

# Another number of threads is said.
rm "${out}/train/latest/DONE"
threads=2
run "${out}" --resume=latest
threads=1
grep -q '^warning: the run was begun with --threads=1 and continues with 2' \
  "${work}/log" || fail "other threads pass"

# Standard error is closed: nothing of it lands in a file of the run.
out="${work}/closed"
"${train}" --models=fp16 --dataset=synthetic --model_scale_factor=0.125 \
  --crop=32 --steps=2 --logf=0 --progress=lines --output_dir="${out}" \
  <&- >&- 2>&- || fail "closed descriptors"
/usr/bin/python3 -c "
import json, sys
for line in open(sys.argv[1]): json.loads(line)" \
  "${out}/train/latest/metrics.jsonl" || fail "metrics.jsonl is no JSON"

# Nobody reads the table, or the disk under it is full.
for sink in full pipe; do
  out="${work}/${sink}"
  if [[ "${sink}" == full ]]; then
    "${train}" --models=fp16 --dataset=synthetic --model_scale_factor=0.125 \
      --crop=32 --steps=2 --logf=0 --progress=off --output_dir="${out}" \
      >/dev/full 2>"${work}/log"
    status=$?
  else
    { "${train}" --models=fp16 --dataset=synthetic --model_scale_factor=0.125 \
      --crop=32 --steps=2 --logf=0 --progress=off --output_dir="${out}" \
      2>"${work}/log"; echo $? >"${work}/status"; } | true
    status="$(<"${work}/status")"
  fi
  says 1 "the table could not be written to stdout"
  [[ -e "${out}/train/latest/DONE" ]] || fail "${sink}: not DONE"
done

# Files may not grow beyond 100 kB: a checkpoint cannot be written.
(ulimit -f 100 && run "${work}/limited" && echo "${status}" >"${work}/status")
status="$(<"${work}/status")"
says 1 "File too large"

# Memory runs out, in the threads that make batches or in the net. How much the
# program needs alone depends on LibTorch.
alone=1000
until (ulimit -v $((alone * 1024)) && "${train}" --print_config) \
  >/dev/null 2>&1; do
  ((alone += 500))
  ((alone < 30000)) || fail "the program does not start"
done
for more in 700 3000; do
  (ulimit -v $(((alone + more) * 1024)) &&
    "${train}" --models=fp32 --dataset=synthetic --model_scale_factor=0.125 \
      --steps=2 --batch_size=128 --crop=512 --logf=0 --progress=off --threads=1 \
      --output_dir="${work}/memory" >/dev/null 2>"${work}/log"
  echo $? >"${work}/status")
  status="$(<"${work}/status")"
  says 1 "out of memory"
done

# Every step is skipped: nothing was trained.
run "${work}/skipped" --initial_loss_scale=1e30
says 1 "fp16: all 8 steps were skipped"
[[ ! -e "${work}/skipped/train/latest/DONE" ]] || fail "skipped: DONE"
echo "PASSED"
