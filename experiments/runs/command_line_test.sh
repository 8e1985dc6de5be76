#!/bin/bash
# What a person sees who calls the program, right or wrong.
set -uo pipefail

readonly runs="experiments/runs/runs"
work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT
failed=0

# expect STATUS PATTERN ARGUMENTS...: the status, and a text in what it prints.
expect() {
  local status="$1" pattern="$2" output actual
  shift 2
  output="$("${runs}" "$@" 2>&1)"
  actual=$?
  if [[ "${actual}" != "${status}" ]] || ! grep -qF -- "${pattern}" <<<"${output}"; then
    echo "FAILED: runs $*"
    echo "  status ${actual}, expected ${status}; no '${pattern}' in:"
    echo "${output}"
    failed=1
  fi
}

expect 0 "report.html anew" --help
expect 0 "--output" compare --help
expect 2 "error: "
expect 2 "error: " destroy
expect 2 "error: " show
expect 2 "error: " compare "${work}"
expect 1 "error: ${work}/none: there is no such directory" list "${work}/none"
expect 0 "there are no runs and no studies" list "${work}"
expect 1 "error: ${work} is no run: it has no run.json" show "${work}"
expect 1 "error: ${work} is no run: it has no run.json" report "${work}"
expect 1 "error: ${work} is no run: it has no run.json" compare "${work}" "${work}"
echo '{' >"${work}/study.json"
expect 0 "left out: " list "${work}"
expect 1 "give two runs" compare "${work}" "${work}"
expect 1 "study.json: this version cannot read it" report "${work}"
[[ "${failed}" == 0 ]] && echo "PASSED"
exit "${failed}"
