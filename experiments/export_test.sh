#!/bin/bash
# What //experiments:export writes is what was trained: as FP32 bit for bit, and
# packed as the forward pass quantises it. Read back by the fp4 program.
set -uo pipefail

work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  [[ -e "${work}/log" ]] && tail -n 20 "${work}/log"
  exit 1
}

experiments/train --models=fp32 --dataset=synthetic --synthetic_size=64 \
  --model_scale_factor=0.125 --crop=32 --steps=6 --validate_every=0 --logf=0 \
  --threads=1 --progress=off --sinks=wandb --wandb_log_model \
  --output_dir="${work}" >"${work}/log" 2>&1 || fail "the training"
readonly checkpoint="${work}/train/latest/checkpoints/fp32/best.pt"

# evaluate OUTPUT FLAGS...: metrics as "key value" lines.
evaluate() {
  local output="$1"
  shift
  experiments/evaluate --threads=1 --json="${work}/json" "$@" \
    >"${work}/log" 2>&1 || fail "evaluate $*"
  /usr/bin/python3 -c '
import json, sys
for key, value in sorted(json.load(open(sys.argv[1]))["metrics"].items()):
    print(key, repr(value))
' "${work}/json" >"${output}"
}
# Whether the scores in two of these files differ by no more than LIMIT.
near() {  # near LIMIT FILE FILE
  paste -d' ' "${work}/$2" "${work}/$3" | awk -v limit="$1" '
    { d = $2 - $4; if (d < 0) d = -d; if (d > most) most = d }
    END { print "difference", most; exit !(most <= limit) }'
}
weights() {  # weights OUTPUT FILE FLAGS...
  local output="$1" file="$2"
  shift 2
  evaluate "${output}" --init="${file}" --model_scale_factor=0.125 \
    --dataset=synthetic --synthetic_size=64 "$@"
}
export_to() {  # export_to FILE FLAGS...
  local file="$1"
  shift
  experiments/export --checkpoint="${checkpoint}" --output="${file}" "$@"
}

# FP32.
export_to "${work}/fp32.safetensors" >"${work}/log" || fail "export"
evaluate "${work}/trained" --checkpoint="${checkpoint}"
# Synthetic images are drawn from the training's seed, 42, and so are
# --init's.
weights "${work}/exported" "${work}/fp32.safetensors"
cmp "${work}/trained" "${work}/exported" || fail "FP32 has other scores"
# The only validation is the last step's, so the best net is the last one, which
# is the one for W&B.
cmp "${work}/fp32.safetensors" "${work}/train/latest/weights/fp32.safetensors" ||
  fail "the weights for W&B are others"
cmp "${work}/fp32.safetensors" \
  "${work}"/train/latest/wandb/offline-run-*/artifacts/weights/fp32.safetensors ||
  fail "the artifact has other weights"
grep -q '"type":"artifact".*"file":"weights/fp32.safetensors"' \
  "${work}/train/latest/metrics.jsonl" || fail "no record of the artifact"

# Packed, and back: what the forward pass of the policy makes of the kernels.
# MXFP4 has no tensor scale, which that pass applies to the sums, so the values
# are the same in both; only the order of the sums is not.
evaluate "${work}/quantised" --checkpoint="${checkpoint}" \
  --policy='fp32:enc*/fprop_w=mxfp4:bottleneck*/fprop_w=mxfp4:dec*/fprop_w=mxfp4'
for layout in modelopt compressed-tensors; do
  export_to "${work}/fp4.safetensors" --recipe=mxfp4 --layout="${layout}" \
    >"${work}/log" || fail "export --layout=${layout}"
  grep -q '22 kernels in mxfp4' "${work}/log" || fail "the number of kernels"
  tools/fp4/fp4 dequantize --input="${work}/fp4.safetensors" \
    --output="${work}/back.safetensors" || fail "dequantize ${layout}"
  weights "${work}/back" "${work}/back.safetensors"
  near 1e-6 quantised back || fail "${layout}: other scores"
  near 1e-4 trained back && fail "${layout}: nothing is packed"
done

# The axis of each kernel, in the metadata.
export_to "${work}/fp4.safetensors" --recipe=nvfp4 \
  --exclude='enc1.conv1.*' >"${work}/log" || fail "--exclude"
/usr/bin/python3 - "${work}/fp4.safetensors" <<'END' || fail "the metadata"
import json, struct, sys
data = open(sys.argv[1], "rb").read()
header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
tensors = json.loads(header["__metadata__"]["cnn_fp4"])["tensors"]
assert len(tensors) == 21, len(tensors)
assert tensors["dec1.up.weight"]["axis"] == 0, tensors
assert tensors["dec1.conv1.weight"]["axis"] == 1, tensors
assert "enc1.conv1.weight" not in tensors and "out.weight" not in tensors
assert header["enc1.conv1.weight"]["dtype"] == "F32", header
END
[[ -z "$(find "${work}" -maxdepth 1 -name '*.fp32-*')" ]] ||
  fail "the intermediate file is left"

# expect STATUS PATTERN COMMAND...
expect() {
  local status="$1" pattern="$2"
  shift 2
  "$@" >/dev/null 2>"${work}/log"
  [[ $? == "${status}" ]] || fail "$*: not status ${status}"
  grep -qF -- "${pattern}" "${work}/log" || fail "$*: no '${pattern}'"
}
expect 2 "--checkpoint must be given" experiments/export --output=a
expect 2 "--output must be given" experiments/export --checkpoint=a
expect 2 "--layout goes with --recipe" export_to a --layout=modelopt
expect 2 "--recipe: " export_to a --recipe=fp3
expect 2 "--layout: " export_to a --recipe=nvfp4 --layout=x
expect 1 "/nonexistent" export_to /nonexistent/a.safetensors
# Tiles of two axes cannot lie along the input channels alone.
expect 1 "enc1.conv1.weight" export_to "${work}/a" --recipe=nvfp4_2d
[[ ! -e "${work}/a" ]] || fail "a refused export left a file"
expect 1 "it lacks enc1.conv1.weight" experiments/evaluate \
  --init="${work}/fp4.safetensors" --dataset=synthetic
