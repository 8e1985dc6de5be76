#!/bin/bash
# Runs a Python script of the workspace with the system's Python, without
# leaving compiled files in the source tree.
#
# usage: run_python.sh SCRIPT [ARGUMENTS...]
exec /usr/bin/env python3 -B "$@"
