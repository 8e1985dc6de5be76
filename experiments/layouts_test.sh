#!/bin/bash
# Every layout that a user's data may have, from its files to the result: two
# arms are trained on a small data set of each, and what it made of the files is
# held against what was put into them. Then every policy in one process.
set -uo pipefail

work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT

fail() {
  echo "FAILED: $*"
  [[ -e "${work}/log" ]] && tail -n 20 "${work}/log"
  exit 1
}

# Three data sets of noise with a bright square, which is the object.
/usr/bin/python3 - "${work}" <<'END' || fail "the data sets"
import json, os, random, struct, sys, zlib

SIZE, SIDE = 32, 8
random.seed(1)


def png(path, pixels):  # Rows of grey values.
    def chunk(kind, body):
        return (struct.pack(">I", len(body)) + kind + body +
                struct.pack(">I", zlib.crc32(kind + body)))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    head = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(row) for row in pixels)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
                   chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def image(corner):
    pixels = [[random.randrange(60) for _ in range(SIZE)] for _ in range(SIZE)]
    if corner is not None:
        for y in range(corner[1], corner[1] + SIDE):
            for x in range(corner[0], corner[0] + SIDE):
                pixels[y][x] = 200 + random.randrange(50)
    return pixels


def mask(corner, value):
    pixels = [[0] * SIZE for _ in range(SIZE)]
    for y in range(corner[1], corner[1] + SIDE):
        for x in range(corner[0], corner[0] + SIDE):
            pixels[y][x] = value
    return pixels


def corners(count):
    return [(random.randrange(SIZE - SIDE), random.randrange(SIZE - SIDE))
            for _ in range(count)]


root = sys.argv[1]
for split, count in (("train", 4), ("val", 2)):
    for i, corner in enumerate(corners(count)):
        png("%s/folder/%s/images/%d.png" % (root, split, i), image(corner))
        png("%s/folder/%s/masks/%d.png" % (root, split, i), mask(corner, 255))

screw = root + "/mvtec/screw"
for i in range(4):
    png("%s/train/good/%03d.png" % (screw, i), image(None))
    png("%s/test/good/%03d.png" % (screw, i), image(None))
for defect in ("scratch", "thread"):
    for i, corner in enumerate(corners(4)):
        png("%s/test/%s/%03d.png" % (screw, defect, i), image(corner))
        png("%s/ground_truth/%s/%03d_mask.png" % (screw, defect, i),
            mask(corner, 255))

for split, count in (("train2017", 4), ("val2017", 2)):
    images, annotations = [], []
    for i, (x, y) in enumerate(corners(count)):
        name = "%012d.png" % i
        png("%s/coco/%s/%s" % (root, split, name), image((x, y)))
        images.append({"id": i, "file_name": name, "width": SIZE,
                       "height": SIZE})
        annotations.append({
            "id": i + 1, "image_id": i, "category_id": 7 + i % 2, "iscrowd": 0,
            "area": SIDE * SIDE, "bbox": [x, y, SIDE, SIDE],
            "segmentation": [[x, y, x + SIDE, y, x + SIDE, y + SIDE,
                              x, y + SIDE]]})
    os.makedirs(root + "/coco/annotations", exist_ok=True)
    with open("%s/coco/annotations/instances_%s.json" % (root, split),
              "w") as file:
        json.dump({"images": images, "annotations": annotations,
                   "categories": [{"id": 7, "name": "cat"},
                                  {"id": 8, "name": "dog"}]}, file)
END

# train NAME FLAGS...: a short training in ${work}/NAME.
train() {
  local name="$1"
  shift
  experiments/train --model_scale_factor=0.125 --crop=32 --batch_size=2 \
    --steps=2 --validate_every=0 --logf=0 --threads=1 --progress=off \
    --output_dir="${work}/${name}" "$@" >"${work}/log" 2>&1 ||
    fail "the training on ${name}"
}

# holds NAME ARMS CLASSES TRAIN_IMAGES VAL_IMAGES: the files of a run say so.
holds() {
  local run="${work}/$1/train/latest"
  [[ -e "${run}/DONE" ]] || fail "$1: not DONE"
  grep -qE "^train .* $4 images" "${work}/log" || fail "$1: not $4 images"
  grep -qE "^val .* $5 images" "${work}/log" || fail "$1: not $5 images"
  /usr/bin/python3 - "${run}" "$2" "$3" <<'END' || fail "$1: the result"
import json, math, sys
run, arms, classes = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",")
assert json.load(open(run + "/run.json"))["class_names"] == classes
summary = json.load(open(run + "/summary.json"))
assert [arm["arm"] for arm in summary["arms"]] == arms, summary["arms"]
for arm in arms:
    record = json.load(open("%s/arms/%s/arm.json" % (run, arm)))
    assert record["finished"] and record["steps"] == 2, record
    assert math.isfinite(record["train_loss"]), record
    metrics = record["metrics"]
    assert sorted(metrics) == sorted(
        ["loss", "mean_iou", "mean_dice"] +
        [kind + name for name in classes for kind in ("iou/", "dice/")])
    # Each class is in the validation images: what is measured is a number.
    for key, metric in metrics.items():
        assert 0 <= metric["value"] < 10, (key, metric)
END
}

readonly two="--models=fp16,nvfp4"
train embedded "${two}"
holds embedded fp16,nvfp4 background,nucleus 65 17
train folder "${two}" --dataset=folder --data_root="${work}/folder"
holds folder fp16,nvfp4 background,foreground 4 2
train mvtec "${two}" --dataset=mvtec --data_root="${work}/mvtec" \
  --category=screw --mvtec_labels=per_defect
holds mvtec fp16,nvfp4 good,scratch,thread 9 3
train coco "${two}" --dataset=coco --data_root="${work}/coco"
holds coco fp16,nvfp4 background,cat,dog 4 2

# Every policy that has a name, one after the other in one process.
policies="$(experiments/train --list_policies | grep -xE '[a-z][a-z0-9_]+' |
  paste -sd ',')"
(($(tr ',' '\n' <<<"${policies}" | wc -l) >= 15)) ||
  fail "too few policies: ${policies}"
train policies --models="${policies}" --dataset=synthetic --synthetic_size=32
holds policies "${policies}" background,disc,box 64 16
