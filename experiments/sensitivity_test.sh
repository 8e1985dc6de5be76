#!/bin/bash
# //experiments:sensitivity on a small trained net: its numbers are those of
# //experiments:evaluate, the training's are those of its study, and what cannot
# be is refused.
set -uo pipefail

work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  exit 1
}

experiments/train --models=fp16 --dataset=synthetic --synthetic_size=64 \
  --synthetic_count=20 --model_scale_factor=0.125 --crop=32 --steps=6 \
  --validate_every=0 --logf=0 --threads=1 --progress=off --sinks= \
  --output_dir="${work}" >/dev/null 2>&1 || fail "the training"
readonly checkpoint="${work}/train/latest/checkpoints/fp16/best.pt"

experiments/sensitivity --checkpoint="${checkpoint}" --threads=1 \
  --gradient_batches=1 --output_dir="${work}/out" >"${work}/stdout" \
  2>"${work}/stderr" || fail "sensitivity: $(cat "${work}/stderr")"
grep -q "^report: ${work}/out/sensitivity.html" "${work}/stdout" ||
  fail "no report in: $(cat "${work}/stdout")"
[[ "$(wc -l <"${work}/stderr")" -lt 20 ]] || fail "it talks too much"

# number KEYS...: of sensitivity.json.
number() {
  /usr/bin/python3 - "${work}/out/sensitivity.json" "$@" <<'PY'
import json, sys
node = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    if isinstance(node, list):
        node = next(e for e in node
                    if [e["kind"], e["layer"], e.get("operand", "")] == key.split("|"))
    else:
        node = node[key]
print(repr(node))
PY
}
# expect_score POLICY VALUE: what evaluate says of the same net.
expect_score() {
  experiments/evaluate --checkpoint="${checkpoint}" --threads=1 --policy="$1" \
    --json="${work}/score.json" >/dev/null 2>&1 || fail "evaluate $1"
  local value
  value="$(/usr/bin/python3 -c '
import json, sys
print(repr(json.load(open(sys.argv[1]))["metrics"]["mean_iou"]))' \
    "${work}/score.json")"
  [[ "${value}" == "$2" ]] || fail "$1: evaluate says ${value}, not $2"
}
expect_score fp16 "$(number reference value)"
expect_score nvfp4_all "$(number policy value)"
expect_score fp16:enc1.conv1=nvfp4_all "$(number effects 'alone|enc1.conv1|' value)"
expect_score nvfp4_all:dec1.up=fp16 "$(number effects 'spared|dec1.up|' value)"
expect_score fp16:enc2.conv1/fprop_w=nvfp4_2d \
  "$(number effects 'operand|enc2.conv1|fprop_w' value)"
# Every layer but the output layer is there, once.
/usr/bin/python3 - "${work}/out/sensitivity.json" <<'PY' || fail "the layers"
import json, sys
s = json.load(open(sys.argv[1]))
layers = [e["layer"] for e in s["effects"] if e["kind"] == "alone"]
assert sorted(layers) == sorted(s["ranking"]) and len(set(layers)) == len(layers)
assert "enc1.conv1" in layers and "out" not in layers
assert all(e["low"] <= e["difference"] <= e["high"] for e in s["effects"])
assert {g["gradient"] for g in s["gradients"]} == {"dx", "dw"}
PY

# A training of one layer's policies, and its continuation.
train() {
  experiments/sensitivity --checkpoint="${checkpoint}" --threads=1 --train \
    --seeds=2 --policy=fp32:enc1.conv2=nvfp4 --reference=fp32 \
    --output_dir="${work}/trained" >"${work}/stdout" 2>"${work}/stderr" ||
    fail "--train: $(tail -5 "${work}/stderr")"
}
train
grep -q "^cell 1 of" "${work}/stderr" || fail "nothing was trained"
/usr/bin/python3 - "${work}/trained" <<'PY' || fail "the trained differences"
import json, sys
s = json.load(open(sys.argv[1] + "/sensitivity.json"))
study = json.load(open(sys.argv[1] + "/study/study.json"))
assert s["way"] == "training"
of = {a["policy"]: a["metrics"]["mean_iou"] for a in study["arms"]}
for e in s["effects"]:
    if e["kind"] == "spared":
        continue
    d = of[e["policy"]]["difference_to_first_arm"]
    assert e["difference"] == d["mean"] and e["low"] == d["low"], (e, d)
    assert e["pairs"] == [p["difference"] for p in d["pairs"]]
assert s["reference"]["value"] == of["fp32"]["mean"]
PY
train
grep -q "^cell 1 of" "${work}/stderr" && fail "it was trained twice"

# expect PATTERN FLAGS...: one line, and no success.
expect() {
  local pattern="$1"
  shift
  experiments/sensitivity "$@" >/dev/null 2>"${work}/error" &&
    fail "accepted: $*"
  [[ "$(wc -l <"${work}/error")" -eq 1 ]] || fail "$*: $(cat "${work}/error")"
  grep -qF -- "${pattern}" "${work}/error" ||
    fail "$*: no '${pattern}' in: $(cat "${work}/error")"
}
expect "--checkpoint must be given"
expect "no such checkpoint" --checkpoint=/nonexistent.pt
expect "--tolerance is -1" --checkpoint=a --tolerance=-1
expect "--seeds goes with --train only" --checkpoint=a --seeds=3
expect "puts no layer into FP4" --checkpoint="${checkpoint}" --policy=bf16
expect "has exceptions" --checkpoint="${checkpoint}" --reference=fp16:first=fp32
expect "--policy" --checkpoint="${checkpoint}" --policy=nvfp5
echo "PASSED"
