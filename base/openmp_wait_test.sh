#!/bin/bash
# A program that limits OpenMP's spinning is started anew once, as the same
# process with the same arguments, and not where the environment has a say.
set -uo pipefail

readonly example="${PWD}/base/openmp_wait_example"
fail() {
  echo "FAILED: $*"
  exit 1
}

# expect PATTERN [NAME=VALUE...]: what the program says in this environment.
expect() {
  local pattern="$1" said
  shift
  said="$(env -i "$@" bash -c 'echo "pid $$"; exec "$0" "a b" --c=' "${example}")"
  [[ "${said}" == *" spins ${pattern} ["*"openmp_wait_example] [a b] [--c=]" ]] ||
    fail "$*: ${said}"
  [[ "$(head -1 <<<"${said}")" == "$(sed -nE '2s/( spins.*)//p' <<<"${said}")" ]] ||
    fail "it is another process: ${said}"
}
expect 10000
expect 10000 LANG=C OMPI_COMM_WORLD_RANK=0
expect 7 GOMP_SPINCOUNT=7
expect unset OMP_NUM_THREADS=2
expect unset OMP_WAIT_POLICY=passive
expect unset GOMP_CPU_AFFINITY=0
echo "PASSED"
