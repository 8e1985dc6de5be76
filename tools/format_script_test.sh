#!/bin/bash
# The format check finds a badly formatted file, and the formatter mends it.
set -euo pipefail

format="$(realpath -- "$1")"
tree="${TEST_TMPDIR}/tree"
mkdir -p -- "${tree}/bazel-out" "${tree}/a"
cd -- "${tree}"
touch WORKSPACE
echo 'BasedOnStyle: Google' >.clang-format
echo 'int   x ;' >bazel-out/generated.cc
echo 'int x;' >a/good.cc
export FORMAT_ROOT="${tree}"
"${format}" --check

echo 'int   y ;' >a/bad.cu
if "${format}" --check 2>err >out; then
  echo "a badly formatted file was not noticed" >&2
  exit 1
fi
grep -qx './a/bad.cu' out
grep -q '1 of 2 files are not formatted: bazel run //tools:format' err

"${format}"
"${format}" --check
[[ "$(<a/bad.cu)" == 'int y;' ]]
[[ "$(<bazel-out/generated.cc)" == 'int   x ;' ]]
