#!/bin/bash
# --init: a training that begins with weights of a file, which another program
# may have written.
set -uo pipefail

work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  [[ -e "${work}/log" ]] && tail -n 20 "${work}/log"
  exit 1
}

# A safetensors file as PyTorch's users write it, from the format's definition:
# a bias of the net, its output layer for five classes, and a tensor of another
# net's.
/usr/bin/python3 - "${work}/weights.safetensors" <<'END' || fail "the file"
import json, struct, sys
tensors = {
    "enc1.norm1.bias": [8], "out.weight": [5, 8, 1, 1], "head.weight": [3],
}
header, data = {"__metadata__": {"format": "pt"}}, b""
for name, shape in tensors.items():
    count = 1
    for extent in shape:
        count *= extent
    begin = len(data)
    data += struct.pack("<%df" % count, *[0.5] * count)
    header[name] = {"dtype": "F32", "shape": shape,
                    "data_offsets": [begin, len(data)]}
text = json.dumps(header).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + data)
END

train() {
  experiments/train --models=fp32,nvfp4 --crop=32 --steps=2 --logf=1 \
    --threads=1 --progress=off --output_dir="${work}/out" "$@" \
    >"${work}/log" 2>&1
}
readonly tiny=(--dataset=synthetic --synthetic_size=64 --model_scale_factor=0.125)
readonly latest="${work}/out/train/latest"

train "${tiny[@]}" || fail "without --init"
first_loss() { grep -m1 '"train/loss"' "${latest}/metrics.jsonl" | sed 's/.*"train\/loss":\([0-9.]*\).*/\1/'; }
drawn="$(first_loss)"
[[ -n "${drawn}" ]] || fail "no loss in metrics.jsonl"
train "${tiny[@]}" --init="${work}/weights.safetensors" || fail "--init"
[[ "$(first_loss)" != "${drawn}" ]] || fail "the weights change nothing"
# Both directions.
grep -q "init .*1 of [0-9]* tensors of the net" "${work}/log" || fail "the count"
grep -q "not in the file: enc1.conv1.weight, .*out.weight (its shape is \[[0-9], 8, 1, 1\], in the file \[5, 8, 1, 1\])" \
  "${work}/log" || fail "what the file lacks"
grep -q "not in the net: head.weight" "${work}/log" || fail "what the net lacks"
checksum="$(sed -n 's/.*"init_checksum": "\([0-9a-f]*\)".*/\1/p' "${latest}/run.json")"
[[ "${checksum}" =~ ^[0-9a-f]{8}$ ]] || fail "no checksum in run.json"

# expect STATUS PATTERN COMMAND...
expect() {
  local status="$1" pattern="$2"
  shift 2
  "$@" >/dev/null 2>"${work}/log"
  [[ $? == "${status}" ]] || fail "$*: not status ${status}"
  grep -qF -- "${pattern}" "${work}/log" || fail "$*: no '${pattern}'"
}
runs="$(ls "${work}/out/train" | wc -l)"
expect 2 "--init must name the file" experiments/train \
  --init_checksum="${checksum}" --output_dir="${work}/out"
expect 2 "--init_checksum must be" experiments/train --init_checksum=xyz \
  --output_dir="${work}/out"
expect 2 "has the checksum ${checksum}" experiments/train \
  --init="${work}/weights.safetensors" --init_checksum=00000000 \
  --output_dir="${work}/out"
expect 1 "cannot open" experiments/train --init="${work}/none.safetensors" \
  --output_dir="${work}/out"
expect 2 "not a regular file" experiments/train --init=/dev/null \
  --output_dir="${work}/out"
expect 2 "are drawn from its seed" experiments/fp16_vs_nvfp4_s025 \
  --init="${work}/weights.safetensors" --output_dir="${work}/out"
[[ "$(ls "${work}/out/train" | wc -l)" == "${runs}" ]] ||
  fail "a refused run left a directory"

# A study's cells begin with it, too.
experiments/study --arms=fp32 --seeds=7..7 --init="${work}/weights.safetensors" \
  --dataset=synthetic --synthetic_size=64 --model_scale_factor=0.125 --crop=32 \
  --steps=2 --logf=0 --threads=1 --progress=off --output_dir="${work}/study" \
  >"${work}/log" 2>&1 || fail "a study with --init"
grep -qF "\"init_checksum\": \"${checksum}\"" "${work}"/study/study.json ||
  fail "the study's configuration"

# The script of docs for PyTorch's users: its names and shapes are the net's.
# PyTorch itself is not here; what the script uses of it is, without numbers.
mkdir -p "${work}"/{torch/nn,safetensors}
cat >"${work}/torch/nn/__init__.py" <<'END'
class Module:
    def add_module(self, name, module):
        setattr(self, name, module)

    def state_dict(self, path=""):
        tensors = {}
        for name, value in vars(self).items():
            if isinstance(value, Module):
                tensors.update(value.state_dict(path + name + "."))
            elif value is not None:
                tensors[path + name] = value
        return tensors


class Conv2d(Module):
    def __init__(self, inputs, outputs, size, padding=0):
        self.weight, self.bias = [outputs, inputs, size, size], [outputs]


class ConvTranspose2d(Module):
    def __init__(self, inputs, outputs, size, stride):
        self.weight, self.bias = [inputs, outputs, size, size], [outputs]


class GroupNorm(Module):
    def __init__(self, groups, channels):
        self.weight, self.bias = [channels], [channels]
END
touch "${work}"/torch/{__init__,nn/functional}.py "${work}/safetensors/__init__.py"
cat >"${work}/safetensors/torch.py" <<'END'
import json, math, struct
def save_file(tensors, path):
    header, size = {}, 0
    for name, shape in tensors.items():
        end = size + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [size, end]}
        size = end
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(size))
END
PYTHONPATH="${work}" /usr/bin/python3 docs/save_pytorch_unet.py \
  "${work}/pytorch.safetensors" || fail "docs/save_pytorch_unet.py"
train --init="${work}/pytorch.safetensors" --model_scale_factor=0.25 \
  --dataset=nuclei || fail "--init with the file of docs/save_pytorch_unet.py"
grep -q "init .* 82 of 82 tensors" "${work}/log" || fail "its tensors do not fit"
grep -qE "not in the (file|net)" "${work}/log" && fail "some do not fit"
exit 0
