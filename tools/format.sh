#!/bin/bash
# Formats the C++ and CUDA sources of the workspace, or checks that they are.
#
# usage: bazel run //tools:format             rewrites what differs
#        bazel test //tools:format_test       lists what differs (--check)
#
# Sees the source tree itself, not what a target declares: so that a new file is
# checked from its first minute, the test is neither sandboxed nor cached.
set -euo pipefail

die() {
  echo "format: $*" >&2
  exit 1
}

# Bazel's link to this script leads back to the source tree.
root="$(dirname -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")")"
cd -- "${FORMAT_ROOT:-${root}}"
[[ -f WORKSPACE ]] || die "${PWD} is not the workspace"
command -v clang-format >/dev/null || die "no clang-format: run ./bazelw once"

# Files that git knows or would add; all of them where there is no git.
list() {
  if [[ -e .git ]] && command -v git >/dev/null; then
    git -c safe.directory='*' ls-files --cached --others --exclude-standard -- "$@"
  else
    local names=()
    local name
    for name in "$@"; do names+=(-o -name "${name}"); done
    find . -path './bazel-*' -prune -o -type f \( "${names[@]:1}" \) -print
  fi
}

files=()
while read -r file; do
  # The index still lists a file that was removed without telling git.
  [[ -f "${file}" ]] && files+=("${file}")
done < <(list '*.h' '*.cc' '*.cu' '*.cuh' | sort)
((${#files[@]})) || die "no sources under ${PWD}"

if [[ "${1:-}" != --check ]]; then
  clang-format -i --style=file "${files[@]}"
  exit 0
fi

if ! report="$(clang-format --dry-run -Werror --style=file "${files[@]}" 2>&1)"; then
  # FILE:LINE:COLUMN: error: code should be clang-formatted
  bad="$(sed -nE 's/^([^:]+):[0-9]+:[0-9]+: error: .*/\1/p' <<<"${report}" | sort -u)"
  [[ -n "${bad}" ]] || die "clang-format failed: ${report}"
  echo "${bad}"
  die "$(wc -l <<<"${bad}") of ${#files[@]} files are not formatted: bazel run //tools:format"
fi
echo "${#files[@]} files are formatted"
