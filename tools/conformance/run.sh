#!/bin/bash
# Makes the virtual environment with the libraries and runs a script in it.
#
# usage: bazel run //tools/conformance -- [--output=FILE]
#        bazel run //tools/conformance:speed -- [--output=FILE]
#
# The environment is ${XDG_CACHE_HOME:-~/.cache}/cnn_fp4_emulation/conformance-*,
# one for each requirements.txt; 5 GB with PyTorch. CONFORMANCE_PYTHON names an
# interpreter that has the libraries already.
set -euo pipefail

say() { echo "conformance: $*" >&2; }
die() {
  say "$*"
  exit 1
}

# From BUILD.bazel: FLAG=PROGRAM SCRIPT.
flag="${1%%=*}"
program="$(realpath -- "${1#*=}")"
script="$(realpath -- "$2")"
here="$(dirname -- "${script}")"
shift 2
readonly requirements="${here}/requirements.txt"

make_environment() {
  local key environment
  key="$(sha256sum <"${requirements}" | cut -c1-16)"
  environment="${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}"
  environment+="/cnn_fp4_emulation/conformance-${key}"
  if [[ ! -e "${environment}/complete" ]]; then
    say "installing the libraries in ${environment}, which takes minutes"
    rm -rf -- "${environment}"
    python3 -m venv "${environment}" >&2
    local pip=("${environment}/bin/pip" install --quiet --disable-pip-version-check)
    # fouroversix builds against the torch that is there, hence two steps.
    grep -v '^fouroversix' "${requirements}" >"${environment}/first.txt"
    "${pip[@]}" -r "${environment}/first.txt" >&2 || die "pip could not install the libraries"
    SKIP_CUDA_BUILD=1 "${pip[@]}" --no-build-isolation -r "${requirements}" >&2 ||
      die "pip could not install fouroversix"
    touch -- "${environment}/complete"
  fi
  echo "${environment}/bin/python"
}

python="${CONFORMANCE_PYTHON:-}"
[[ -n "${python}" ]] || python="$(make_environment)"
cd -- "${BUILD_WORKING_DIRECTORY:-.}"
exec "${python}" -B "${script}" "${flag}=${program}" "$@"
