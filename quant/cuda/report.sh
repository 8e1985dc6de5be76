#!/bin/bash
# usage: report.sh REPORT_PY TOOLKIT_BIN ARCHIVE... -- [report.py's options]
# Relative paths of options are the caller's.
set -euo pipefail
own=()
while [[ $# -gt 0 && "$1" != "--" ]]; do
  own+=("${PWD}/$1")
  shift
done
[[ $# -eq 0 ]] || shift
script="${own[0]}"
toolkit="${own[1]#"${PWD}/"}"
cd "${BUILD_WORKING_DIRECTORY:-.}"
exec /usr/bin/env python3 -B "${script}" "${toolkit}" "${own[@]:2}" "$@"
