#!/bin/bash
# Runs a Python script of the workspace with the system's Python, without
# leaving compiled files in the source tree.
#
# usage: run_python.sh SCRIPT [ARGUMENTS...]
#
# Programs that the script starts find their data among its own runfiles, in
# which `bazel run` starts it: bazel makes none for a program that is not built
# by name.
if [[ "${PWD}" == *.runfiles/* ]]; then
  export RUNFILES_DIR="${RUNFILES_DIR:-${PWD%.runfiles/*}.runfiles}"
fi
exec /usr/bin/env python3 -B "$@"
