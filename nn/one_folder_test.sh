#!/bin/bash
# Adding a net touches nn/models and adding a policy nn/precision, because no
# other folder knows a particular one. Tests and pinned experiments may name
# them: to those they are data. Adding a statistic touches telemetry, which
# names it, and train, where train/named_numbers.cc and the probe give it what
# was measured: others may show some that they chose, but none distinguishes
# all. (Tasks, data sets and sinks:
# train/own_task_test trains with ones of which no registry knows.)
#
# Reads the source tree itself: a file is seen that no target declares.
set -euo pipefail

# Sources under the rooms of the tree $1 but those of the folder $2. A room
# joins when it has learnt to do without.
sources() {
  (cd -- "$1" && find base data nn quant telemetry train viz -type f \
    \( -name '*.h' -o -name '*.cc' \) -not -name '*_test.cc' \
    -not -name 'golden_*_values.h' \
    -not -path "$2/*" 2>/dev/null | sort) || true
}

# Lines of the files of stdin, in the tree $1, whose code matches $2, in lower
# case, when the comments, and with $3 the strings, are gone.
code() {
  (cd -- "$1" && xargs -d '\n' -r awk -v pattern="$2" -v strings="${3:-}" '{
    line = tolower($0)
    sub("//.*", "", line)
    if (strings != "") gsub(/"[^"]*"/, "", line)
    if (line ~ pattern) print FILENAME ":" FNR ":" $0
  }')
}

# Files of the tree $1 that would want a line for each new statistic: they tell
# statistics apart by cases, or name most of them.
statistics_lists() {
  local all
  all="$(grep -oE 'StatId::k[A-Za-z0-9]+' "$1/telemetry/statistics.cc" |
    sort -u | wc -l)"
  (cd -- "$1" && grep -rlE 'StatId::k' experiments nn quant telemetry tools \
    train viz --include='*.h' --include='*.cc' 2>/dev/null) |
    grep -vE '^telemetry/|^train/(layer_probe|named_numbers)\.|_test\.cc$' | sort |
    while read -r file; do
      named="$(grep -oE 'StatId::k[A-Za-z0-9]+' "$1/${file}" | sort -u | wc -l)"
      if grep -qE 'case (telemetry::)?StatId::' "$1/${file}" ||
        ((2 * named > all)); then
        echo "${file}: lists the statistics"
      fi
    done
}

# What is wrong in the tree $1, one line each.
violations() {
  local nets policies recipes
  statistics_lists "$1"
  nets="$(sed -nE 's/^    \{"([a-z0-9_]+)", [A-Za-z]+\},$/\1/p' \
    "$1/nn/models/net_spec.cc" | paste -sd '|')"
  # Names of plain formats and of recipes, too, are data everywhere.
  recipes="$(grep -ohE '"[a-z0-9_]+"' "$1/quant/recipe_registry.cc" \
    2>/dev/null | tr -d '"' | paste -sd '|')"
  policies="$(grep -oE '(Plain|Fp4Policy)\("[a-z0-9_]+"' \
    "$1/nn/precision/policy_registry.cc" | cut -d'"' -f2 |
    { grep -vxE "fp32|fp16|bf16|${recipes:-fp32}" || true; } | paste -sd '|')"
  [[ -n "${nets}" && -n "${policies}" ]] || echo "no registries in $1"
  sources "$1" nn/models |
    code "$1" '#include "nn/models/' |
    { grep -vE '"nn/models/(models|net_spec)\.h"' || true; }
  sources "$1" nn/models | code "$1" "(^|[^a-z])(${nets})" without_strings
  sources "$1" nn/precision | code "$1" "[\"](${policies})[\":]"
}

# A toy net and a toy policy, each in its folder, are fine; what names them
# elsewhere is found.
toy="$(mktemp -d)"
trap 'rm -rf -- "${toy}"' EXIT
mkdir -p "${toy}"/{nn/models,nn/precision,telemetry,train}
echo '    {"toynet", ToyNetLayers},' >"${toy}/nn/models/net_spec.cc"
echo 'class ToyNet : public Net {};' >"${toy}/nn/models/toynet.h"
echo '  Fp4Policy("toy_policy", "A toy.", {}),' \
  >"${toy}/nn/precision/policy_registry.cc"
# A toy statistic beside four others: named, measured, and not known elsewhere.
printf '    {StatId::k%s, "%s"},\n' Toy toy A a B b C c D d \
  >"${toy}/telemetry/statistics.cc"
echo 'Put(StatId::kToy, StatId::kA, StatId::kB, StatId::kC, StatId::kD);' \
  >"${toy}/train/layer_probe.cc"
echo 'Show({StatId::kA, StatId::kB});' >"${toy}/train/layer_means.cc"
clean='#include "nn/models/models.h"
Train(net);  // A ToyNet, as net.architecture = "toynet" says.'
echo "${clean}" >"${toy}/train/trainer.cc"
found="$(violations "${toy}")"
[[ -z "${found}" ]] || { echo "found in a clean tree: ${found}" >&2; exit 1; }
for line in '#include "nn/models/toynet.h"' 'void Train(ToyNet& net);' \
  'if (arm == "toy_policy") return;'; do
  printf '%s\n%s\n' "${clean}" "${line}" >"${toy}/train/trainer.cc"
  found="$(violations "${toy}")"
  [[ "${found}" == "train/trainer.cc:3:${line}" ]] ||
    { echo "not found: ${line}; but: ${found}" >&2; exit 1; }
done
echo "${clean}" >"${toy}/train/trainer.cc"
for line in 'Show({StatId::kA, StatId::kB, StatId::kC});' \
  '    case StatId::kToy:'; do
  echo "${line}" >"${toy}/train/layer_means.cc"
  found="$(violations "${toy}")"
  [[ "${found}" == "train/layer_means.cc: lists the statistics" ]] ||
    { echo "not found: ${line}; but: ${found}" >&2; exit 1; }
done

# Bazel's link to this script leads back to the source tree.
root="$(dirname -- "$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")")"
found="$(violations "${root}")"
[[ -z "${found}" ]] || {
  printf 'what only nn/models or nn/precision should know:\n%s\n' "${found}" >&2
  exit 1
}
