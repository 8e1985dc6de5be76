#!/bin/bash
# Runs clang-tidy (Debian package clang-tidy) with the repository's .clang-tidy.
#
# usage: tools/clang_tidy.sh [FILE.cc...]
#
# Without files: every source that needs neither LibTorch nor CUDA, less the
# vector kernels, which include themselves once for each instruction set. Build
# //... before: some sources include generated files.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
command -v clang-tidy >/dev/null || {
  echo "clang_tidy.sh: no clang-tidy; try: apt-get install clang-tidy" >&2
  exit 1
}

files=("$@")
if ((${#files[@]} == 0)); then
  mapfile -t files < <(
    git ls-files '*.cc' |
      xargs grep -LE 'torch/|ATen/|c10/|<cuda|\bnn/|\btrain/|foreach_target.h'
  )
fi
printf '%s\0' "${files[@]}" |
  xargs -0 -P "$(nproc)" -I {} clang-tidy --quiet {} -- \
    -std=c++17 -I. -Ibazel-bin -mssse3 -fopenmp \
    -isystem "bazel-${PWD##*/}/external/bazel_tools" \
    -isystem /usr/include/eigen3 -isystem /usr/include/cairo \
    -Wno-unknown-pragmas 2>/dev/null ||
  {
    echo "clang_tidy.sh: findings in ${#files[@]} files, see above" >&2
    exit 1
  }
echo "${#files[@]} files, no findings" >&2
