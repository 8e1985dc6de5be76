#!/bin/bash
# Random data sets and flags: random_runs.py says what each run is held to.
#
#   bazel test //experiments:random_runs_test
#   bazel run //experiments:random_runs_test -- --runs=1000 --seed=2
set -uo pipefail
exec /usr/bin/python3 experiments/random_runs.py "${PWD}/experiments/train" "$@"
