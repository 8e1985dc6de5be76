#!/bin/bash
# The pages of a run and of its heatmaps in a real browser: they draw what they
# are to draw, their choices change it, and the console stays silent. Screenshots
# are kept as outputs of the test. Skipped where there is no Chromium.
set -uo pipefail

chromium="$(command -v chromium || command -v google-chrome)" || {
  echo "SKIPPED: there is no chromium (apt-get install chromium)"
  exit 0
}
readonly chromium
work="$(mktemp -d)"
readonly work
trap 'rm -rf "${work}"' EXIT
export HOME="${work}"

fail() {
  echo "FAILED: $*"
  exit 1
}

# browse PAGE FLAGS...: into dom and log. What the browser says of itself is in
# the log, too; what a page says has CONSOLE.
browse() {
  local page="$1"
  shift
  timeout 120 "${chromium}" --headless --no-sandbox --disable-gpu \
    --hide-scrollbars --enable-logging=stderr --log-level=0 \
    --virtual-time-budget=3000 "$@" "file://${page}" \
    >"${work}/dom" 2>"${work}/log" || fail "$*: $(tail -5 "${work}/log")"
  ! grep CONSOLE "${work}/log" || fail "${page} says something on the console"
}
count() { grep -o -- "$1" "${work}/dom" | wc -l; }

experiments/train --models=fp16,nvfp4 --dataset=synthetic --synthetic_size=64 \
  --model_scale_factor=0.125 --crop=32 --steps=8 --validate_every=4 --logf=4 \
  --threads=1 --progress=off --sinks=heatmaps --what_if=mxfp4 --output_dir="${work}/runs" \
  >/dev/null 2>&1 || fail "the training"
run="$(readlink -f "${work}/runs/train/latest")"
readonly run

browse "${run}/report.html" --dump-dom
[[ "$(count '<polyline')" -ge 8 ]] || fail "curves: $(count '<polyline')"
[[ "$(count 'class="bar"')" -eq 30 ]] || fail "bars: $(count 'class="bar"')"
grep -q "Weights of enc1.conv2</figcaption>" "${work}/dom" || fail "the first layer in FP4"
grep -q "<output> 8</output>" "${work}/dom" || fail "the last step is shown first"

[[ "$(count 'class="matrix-plot"')" -eq 2 ]] || fail "maps: $(count 'class="matrix-plot"')"
grep -q "<td>mxfp4</td>" "${work}/dom" || fail "what another recipe would do"

# Another layer, then the first step, as a person chooses them; what shows after
# each is kept.
cp "${run}/report.html" "${run}/chosen.html"
cat >>"${run}/chosen.html" <<'HTML'
<script>
const keep = (name, selector) => document.body.setAttribute(
    name, document.querySelector('#code-histograms ' + selector).textContent);
const [, layer] = document.querySelectorAll('.controls select');
layer.selectedIndex = 3;
layer.dispatchEvent(new Event('input'));
keep('data-layer', 'figcaption');
const step = document.querySelector('.controls input');
step.value = 0;
step.dispatchEvent(new Event('input'));
keep('data-step', 'output');
</script>
HTML
browse "${run}/chosen.html" --dump-dom
grep -q 'data-layer="Weights of enc3.conv1"' "${work}/dom" || fail "the choice of the layer"
grep -q 'data-step=" 1"' "${work}/dom" || fail "the choice of the step"
rm "${run}/chosen.html"

# A comparison has the curves of both runs, in one figure each.
experiments/train --models=nvfp4 --dataset=synthetic --synthetic_size=64 \
  --model_scale_factor=0.125 --crop=32 --steps=4 --validate_every=2 --threads=1 \
  --progress=off --sinks= --output_dir="${work}/others" >/dev/null 2>&1 ||
  fail "the second training"
experiments/runs/runs compare "${run}" "${work}/others/train/latest" \
  --output="${work}/comparison.html" >/dev/null || fail "runs compare"
browse "${work}/comparison.html" --dump-dom
[[ "$(count '<svg')" -ge 4 ]] || fail "figures: $(count '<svg')"
[[ "$(count '<polyline')" -ge 12 ]] || fail "curves compared: $(count '<polyline')"

readonly heatmaps="${run}/plots/heatmaps/nvfp4/weights/quantized/semantic_weights.html"
browse "${heatmaps}" --dump-dom
[[ "$(count '<canvas')" -ge 1 ]] || fail "the heatmap's page draws nothing"

readonly out="${TEST_UNDECLARED_OUTPUTS_DIR:-${work}}"
browse "${run}/report.html" --window-size=1280,3000 --screenshot="${out}/report_1280.png"
browse "${run}/report.html" --window-size=500,3000 --screenshot="${out}/report_500.png"
browse "${run}/report.html" --window-size=1280,3000 --blink-settings=preferredColorScheme=0 \
  --screenshot="${out}/report_dark.png"
browse "${heatmaps}" --window-size=1280,900 --screenshot="${out}/heatmaps.png"
browse "${work}/comparison.html" --window-size=1280,2200 --screenshot="${out}/comparison.png"
for picture in report_1280 report_500 report_dark heatmaps comparison; do
  [[ "$(stat -c %s "${out}/${picture}.png")" -gt 10000 ]] || fail "${picture}.png is empty"
done
echo "PASSED"
