#!/bin/bash
# The program in docs/your_own_net.md is the one that is built, byte for byte,
# and it trains.
#
# usage: your_own_net_test.sh DOCUMENT SOURCE PROGRAM
set -euo pipefail

document="$1" source="$2" program="$3"

sed -n '/^```cpp$/,/^```$/p' "${document}" | sed '1d;$d' |
  diff - "${source}" || {
  echo "${document} does not show ${source}" >&2
  exit 1
}

losses="$("${program}")"
echo "${losses}"
awk 'NR == 1 { first = $1 } { last = $1 }
     END { exit !(NR == 20 && last < first) }' <<<"${losses}" || {
  echo "the program does not print 20 losses that fall" >&2
  exit 1
}
