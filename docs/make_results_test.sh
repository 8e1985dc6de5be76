#!/bin/bash
# docs/results.md is what make_results.sh makes of the records beside it.
set -euo pipefail
made="$(mktemp)"
trap 'rm -f -- "${made}"' EXIT
docs/make_results "${made}"
(($(grep -c '^| fp16 ' "${made}") >= 4)) || { echo "tables are missing"; exit 1; }
diff docs/results.md "${made}" || {
  echo "docs/results.md is not what the records say: ./bazelw run //docs:make_results"
  exit 1
}
