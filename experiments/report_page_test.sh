#!/bin/bash
# The pages of a run and of its heatmaps in a real browser: they draw what they
# are to draw, their choices change it, and the console stays silent. Screenshots
# are kept as outputs of the test. Skipped where there is no Chromium.
set -uo pipefail

chromium="$(command -v chromium || command -v google-chrome)" || {
  echo "SKIPPED: there is no chromium; ./bazelw test installs it, or apt-get install chromium"
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

# What Chromium tells plotly.js of the speed of reading pixels.
readonly advice="GPU stall due to ReadPixels|Multiple readback operations"

# browse PAGE FLAGS...: into dom and log. What the browser says of itself is in
# the log, too; what a page says has CONSOLE.
browse() {
  local page="$1"
  shift
  timeout 120 "${chromium}" --headless --no-sandbox --disable-gpu \
    --hide-scrollbars --enable-logging=stderr --log-level=0 \
    --virtual-time-budget=3000 "$@" "file://${page}" \
    >"${work}/dom" 2>"${work}/log" || fail "$*: $(tail -5 "${work}/log")"
  ! grep CONSOLE "${work}/log" | grep -Ev "${advice}" || fail "${page} says something on the console"
}
count() { grep -o -- "$1" "${work}/dom" | wc -l; }

experiments/train --models=fp16,nvfp4 --dataset=synthetic --synthetic_size=64 \
  --model_scale_factor=0.125 --crop=32 --steps=8 --validate_every=4 --logf=4 \
  --threads=1 --progress=off --sinks=heatmaps --what_if=mxfp4 --output_dir="${work}/runs" \
  >"${work}/training" 2>&1 || fail "the training: $(tail -3 "${work}/training")"
run="$(readlink -f "${work}/runs/train/latest")"
readonly run

browse "${run}/report.html" --dump-dom
[[ "$(count '<polyline')" -ge 8 ]] || fail "curves: $(count '<polyline')"
# The codes of six tensors, of 15 values each.
[[ "$(count 'class="bar"')" -eq 90 ]] || fail "bars: $(count 'class="bar"')"
grep -q "Weights of enc1.conv2</figcaption>" "${work}/dom" || fail "the first layer in FP4"
grep -q "<output> 8</output>" "${work}/dom" || fail "the last step is shown first"

[[ "$(count 'class="matrix-plot"')" -eq 2 ]] || fail "maps: $(count 'class="matrix-plot"')"
grep -q "<td>mxfp4</td>" "${work}/dom" || fail "what another recipe would do"

# Another layer, then the first step, as a person chooses them, then magnitudes
# and block scales; what shows after each is kept.
cp "${run}/report.html" "${run}/chosen.html"
cat >>"${run}/chosen.html" <<'HTML'
<script>
const all = (selector) => [...document.querySelectorAll('#histogram-charts ' + selector)];
const keep = (name, selector) => document.body.setAttribute(
    name, all(selector)[0].textContent);
const [arm, what, layer] = document.querySelectorAll('.controls select');
const choose = (select, index) => {
  select.selectedIndex = index;
  select.dispatchEvent(new Event('input'));
};
choose(layer, 3);
keep('data-layer', 'figcaption');
choose(what, 1);
document.body.setAttribute('data-magnitudes', all('figcaption').length);
choose(what, 2);
document.body.setAttribute('data-scales', all('svg').length);
keep('data-still', 'figcaption');
choose(arm, 0);
document.body.setAttribute('data-kinds', [...what.options].map((o) => o.text).join());
const step = document.querySelector('.controls input');
step.value = 0;
step.dispatchEvent(new Event('input'));
keep('data-step', 'output');
</script>
HTML
browse "${run}/chosen.html" --dump-dom
grep -q 'data-layer="Weights of enc3.conv1"' "${work}/dom" || fail "the choice of the layer"
grep -q 'data-magnitudes="7"' "${work}/dom" || fail "the magnitudes"
grep -q 'data-scales="6"' "${work}/dom" || fail "the block scales"
grep -q 'data-still="Weights of enc3.conv1"' "${work}/dom" || fail "the layer does not stay"
grep -q 'data-kinds="Magnitudes, before quantisation"' "${work}/dom" || fail "what fp16 has"
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

# Weights as surfaces: WebGL in software, since a test machine has no GPU.
readonly surfaces="${run}/plots/surfaces/weights.html"
readonly webgl=(--use-angle=swiftshader --enable-unsafe-swiftshader)
if [[ -e "${surfaces}" ]]; then
  grep -q "plots/surfaces/weights.html" "${run}/report.html" || fail "no link to the surfaces"
  # What is drawn first, and after another layer and the first step were chosen.
  sed 's|</body>|<script>\
    const keep = (name) => document.body.setAttribute(name, JSON.stringify({\
      canvases: document.querySelectorAll("canvas").length,\
      what: document.getElementById("what").textContent,\
      z: ["raw", "codes", "dequantized"].map((id) => document.getElementById(id).data[0].z[0][0]),\
    }));\
    const choose = (id, index) => {\
      const select = document.getElementById(id);\
      select.selectedIndex = index;\
      select.dispatchEvent(new Event("change"));\
    };\
    keep("data-first"); choose("layer", 3); choose("step", 0); keep("data-chosen");\
    </script></body>|' "${surfaces}" >"${surfaces%.html}_chosen.html"
  browse "${surfaces%.html}_chosen.html" "${webgl[@]}" --dump-dom
  python3 - "${work}/dom" "${run}/metrics.jsonl" <<'PYTHON' || fail "the surfaces"
import html, json, re, sys
dom = open(sys.argv[1]).read()
first, chosen = (json.loads(html.unescape(re.search(f'data-{name}="([^"]*)"', dom).group(1)))
                 for name in ("first", "chosen"))
samples = [record for record in map(json.loads, open(sys.argv[2]))
           if record["type"] == "weight_sample"]
for shown, layer, step in ((first, "enc1.conv2", 8), (chosen, "enc3.conv1", 1)):
    assert shown["canvases"] >= 3, shown
    assert shown["what"].startswith(f"{layer} of nvfp4 after step {step}: "), shown
    sample, = (s for s in samples if s["layer"] == layer and s["step"] == step)
    code = int(sample["codes"][0], 16)
    value = [0, 0.5, 1, 1.5, 2, 3, 4, 6][code % 8] * (1 if code < 8 else -1)
    scale = sample["scales"][sample["scale_of"][0]]
    for a, b in zip(shown["z"], (sample["values"][0], value, value * scale)):
        assert abs(a - b) <= 1e-6 * abs(b), (shown, sample["values"][0], value, scale)
PYTHON
  # Without its script the page says what it lacks. So does the console.
  mv "${work}"/runs/plotly-*.min.js "${work}/plotly.js"
  timeout 120 "${chromium}" --headless --no-sandbox --disable-gpu --dump-dom \
    "file://${surfaces}" >"${work}/dom" 2>"${work}/log"
  grep -q "drawn by plotly.js, which is not at" "${work}/dom" || fail "the script is not missed"
  name="$(basename "$(grep -o 'src="[^"]*plotly-[^"]*' "${surfaces}")")"
  mv "${work}/plotly.js" "${work}/runs/${name}"
elif grep -q '"weight_sample"' "${run}/metrics.jsonl"; then
  grep -q "no 3-D surfaces" "${work}/training" || fail "the run does not say that it has no surfaces"
else
  fail "no weights were recorded"
fi

readonly out="${TEST_UNDECLARED_OUTPUTS_DIR:-${work}}"
browse "${run}/report.html" --window-size=1280,3000 --screenshot="${out}/report_1280.png"
browse "${run}/report.html" --window-size=500,3000 --screenshot="${out}/report_500.png"
browse "${run}/report.html" --window-size=1280,3000 --blink-settings=preferredColorScheme=0 \
  --screenshot="${out}/report_dark.png"
browse "${heatmaps}" --window-size=1280,900 --screenshot="${out}/heatmaps.png"
if [[ -e "${surfaces}" ]]; then
  browse "${surfaces}" "${webgl[@]}" --window-size=1280,700 --screenshot="${out}/surfaces.png"
fi
browse "${work}/comparison.html" --window-size=1280,2200 --screenshot="${out}/comparison.png"
for picture in report_1280 report_500 report_dark heatmaps comparison; do
  [[ "$(stat -c %s "${out}/${picture}.png")" -gt 10000 ]] || fail "${picture}.png is empty"
done
echo "PASSED"
