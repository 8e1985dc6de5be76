#!/bin/bash
# //experiments:predict writes the classes that evaluation scores: with the
# predicted masks as the truth, //experiments:evaluate finds no error at all.
set -uo pipefail

work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  [[ -e "${work}/log" ]] && tail -n 20 "${work}/log"
  exit 1
}

# A folder with few of the nuclei's images, and other normalisation than usual.
for split in train val; do
  for kind in images masks; do
    mkdir -p "${work}/folder/${split}/${kind}"
    find -L "data/nuclei/${split}/${kind}" -name '*.png' | sort | head -n 6 |
      xargs cp -Lt "${work}/folder/${split}/${kind}"
  done
done
experiments/train --models=nvfp4 --dataset=folder --data_root="${work}/folder" \
  --model_scale_factor=0.125 --crop=64 --steps=30 --validate_every=0 --logf=0 \
  --mean=0.4 --threads=1 --progress=off --output_dir="${work}" \
  >"${work}/log" 2>&1 || fail "the training"
readonly checkpoint="${work}/train/latest/checkpoints/nvfp4/best.pt"

predict() {
  experiments/predict --checkpoint="${checkpoint}" --threads=1 "$@"
}
for split in train val; do
  predict --input="${work}/folder/${split}/images" \
    --output_dir="${work}/predicted/${split}" >"${work}/log" 2>&1 ||
    fail "predict ${split}"
  cp -r "${work}/folder/${split}/images" "${work}/predicted/${split}/images"
done
grep -q '^1  ' "${work}/log" || fail "the names of the classes"
(($(find "${work}/predicted/val/masks" -name '*.png' | wc -l) == 6)) ||
  fail "the number of masks"

experiments/evaluate --checkpoint="${checkpoint}" --threads=1 \
  --data_root="${work}/predicted" --json="${work}/scores" >"${work}/log" 2>&1 ||
  fail "evaluate"
/usr/bin/python3 - "${work}/scores" <<'END' || fail "predictions are not what evaluation sees"
import json, sys
metrics = json.load(open(sys.argv[1]))["metrics"]
ious = {key: value for key, value in metrics.items() if key.startswith("iou/")}
assert len(ious) == 2 and all(value == 1 for value in ious.values()), ious
END

# One image; the overlay is drawn over it.
image="$(ls "${work}"/folder/val/images/*.png | head -n 1)"
name="$(basename "${image}")"
predict --input="${image}" --output_dir="${work}/one" --policy=fp32 \
  >"${work}/log" 2>&1 || fail "one image"
[[ -s "${work}/one/masks/${name}" && -s "${work}/one/overlays/${name}" ]] ||
  fail "the files of one image"
cmp -s "${work}/predicted/val/masks/${name}" "${work}/one/masks/${name}" &&
  fail "another policy predicts the same"

# expect STATUS PATTERN COMMAND...
expect() {
  local status="$1" pattern="$2"
  shift 2
  "$@" >/dev/null 2>"${work}/log"
  [[ $? == "${status}" ]] || fail "$*: not status ${status}"
  grep -qF -- "${pattern}" "${work}/log" || fail "$*: no '${pattern}'"
}
expect 2 "--input must be given" predict --output_dir=a
expect 2 "--output_dir must be given" predict --input=a
expect 1 "/nonexistent.png" predict --input=/nonexistent.png --output_dir=a
mkdir "${work}/empty"
expect 1 "has no file that ends in" predict --input="${work}/empty" \
  --output_dir=a
cp "${image}" "${work}/empty/a.png"
cp "${image}" "${work}/empty/a.jpg"
expect 1 "under one name" predict --input="${work}/empty" --output_dir=a
