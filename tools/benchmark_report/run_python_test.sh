#!/bin/bash
# A program that a script starts is told where the runfiles are.
set -euo pipefail

run="$(realpath -- "$1")"
workspace="${TEST_TMPDIR}/tool.runfiles/workspace"
mkdir -p -- "${workspace}"
cat >"${TEST_TMPDIR}/print.py" <<'END'
import subprocess
subprocess.run(["sh", "-c", 'echo "${RUNFILES_DIR-none}"'], check=True)
END

# told DIRECTORY: what it is told by a script that is started there.
told() { (cd -- "$1" && "${run}" "${TEST_TMPDIR}/print.py"); }

unset RUNFILES_DIR
[[ "$(told "${workspace}")" == "${TEST_TMPDIR}/tool.runfiles" ]]
[[ "$(told /)" == none ]]
[[ "$(RUNFILES_DIR=/other told "${workspace}")" == /other ]]
