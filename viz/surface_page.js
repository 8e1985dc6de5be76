'use strict';
// The page of weights as surfaces. The element "data" is made by
// viz/surface_page.cc: {script, colors, arms: [{name, layers: [{name, rows,
// columns, row_stride, column_stride, thinning, samples: [{step, values, codes,
// scales, scale_of}]}]}]}, with arrays of numbers in base64.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);
  const MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const floats = (text) => new Float32Array(bytes(text).buffer);
  const shorts = (text) => new Uint16Array(bytes(text).buffer);
  const fp4 = (code) => (code < 8 ? 1 : -1) * MAGNITUDES[code % 8];

  function fill(select, texts, wanted) {
    select.replaceChildren(...texts.map((text) => {
      const option = document.createElement('option');
      option.textContent = text;
      return option;
    }));
    select.selectedIndex = Math.max(0, texts.map(String).indexOf(String(wanted)));
  }
  const chosen = (select) =>
      select.selectedOptions.length ? select.selectedOptions[0].textContent : '';
  const arm = () => data.arms[byId('arm').selectedIndex];
  const layer = () => arm().layers[byId('layer').selectedIndex];
  const sample = () => layer().samples[byId('step').selectedIndex];

  // Another arm may have other layers; what is shown stays if it can. The last
  // step is shown first.
  function fillLayers() {
    fill(byId('layer'), arm().layers.map((l) => l.name), chosen(byId('layer')));
    fillSteps();
  }
  function fillSteps() {
    const steps = layer().samples.map((s) => s.step);
    const before = chosen(byId('step'));
    fill(byId('step'), steps, steps.map(String).includes(before) ? before : steps[steps.length - 1]);
  }

  // ---- Figures --------------------------------------------------------------

  const FIGURES = [
    {key: 'raw', title: 'Before quantisation', note: 'The values that are trained.'},
    {key: 'codes', title: 'FP4 codes', note: 'The value of each code, before any scale.'},
    {key: 'dequantized', title: 'De-quantised', note: 'Code times scale: what is multiplied.'},
  ];
  for (const figure of FIGURES) {
    const box = document.createElement('figure');
    const caption = document.createElement('figcaption');
    const title = document.createElement('b');
    title.textContent = figure.title;
    const note = document.createElement('span');
    note.textContent = figure.note;
    caption.append(title, note);
    figure.box = document.createElement('div');
    figure.box.className = 'surface';
    figure.box.id = figure.key;
    figure.box.setAttribute('role', 'img');
    box.append(caption, figure.box);
    byId('surfaces').append(box);
  }

  function rowsOf(flat, columns) {
    const rows = [];
    for (let at = 0; at < flat.length; at += columns) rows.push(Array.from(flat.slice(at, at + columns)));
    return rows;
  }

  function numbers() {
    const of = sample();
    const values = floats(of.values);
    const codes = Array.from(bytes(of.codes), fp4);
    const scales = floats(of.scales);
    const places = shorts(of.scale_of);
    return {raw: Array.from(values), codes,
            dequantized: codes.map((value, i) => value * scales[places[i]])};
  }

  let camera = {eye: {x: 1.6, y: -1.8, z: 1.1}, center: {x: 0, y: 0, z: -0.12}};
  let turning = false;

  function draw() {
    const of = layer();
    const all = numbers();
    // The two that have the same unit have the same axis and colours.
    const most = Math.max(...all.raw.map(Math.abs), ...all.dequantized.map(Math.abs)) || 1;
    let worst = 0;
    all.raw.forEach((value, i) => { worst = Math.max(worst, Math.abs(value - all.dequantized[i])); });
    byId('what').textContent =
        `${of.name} of ${arm().name} after step ${sample().step}: ` +
        `${of.rows} filters by ${of.columns} places` +
        (of.thinning ? `, which are ${of.thinning}` : '') +
        `. Largest error: ${worst.toPrecision(3)}.`;
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue('--ink').trim();
    const line = style.getPropertyValue('--line').trim();
    const x = Array.from({length: of.columns}, (_, i) => i * of.column_stride);
    const y = Array.from({length: of.rows}, (_, i) => i * of.row_stride);
    for (const figure of FIGURES) {
      const range = figure.key === 'codes' ? 6 : most;
      const axis = (title, extra) => ({
        title: {text: title}, color: ink, gridcolor: line, zerolinecolor: line,
        backgroundcolor: 'rgba(0,0,0,0)', ...extra});
      figure.box.setAttribute('aria-label',
          `${figure.title}: surface of ${of.rows} filters by ${of.columns} places of ${of.name}, ` +
          `from ${Math.min(...all[figure.key]).toPrecision(3)} to ` +
          `${Math.max(...all[figure.key]).toPrecision(3)}.`);
      Plotly.react(figure.box, [{
        type: 'surface', x, y, z: rowsOf(all[figure.key], of.columns),
        cmin: -range, cmax: range, colorscale: data.colors,
        colorbar: {orientation: 'h', y: -0.02, yanchor: 'bottom', len: 0.8, thickness: 10,
                   tickfont: {color: ink}, outlinewidth: 0},
        contours: {x: {highlight: false}, y: {highlight: false}, z: {highlight: false}},
        hovertemplate: 'filter %{y}, place %{x}<br><b>%{z:.6g}</b><extra></extra>',
      }], {
        margin: {l: 0, r: 0, t: 0, b: 0}, paper_bgcolor: 'rgba(0,0,0,0)',
        font: {family: 'system-ui, "DejaVu Sans", sans-serif', size: 12, color: ink},
        uirevision: 'kept',
        scene: {
          camera, aspectmode: 'manual', aspectratio: {x: 1.3, y: 1.1, z: 0.7},
          xaxis: axis('place'), yaxis: axis('filter'),
          zaxis: axis('', {range: [-1.05 * range, 1.05 * range]}),
        },
      }, {responsive: true, displaylogo: false, displayModeBar: false});
    }
  }

  // All three are seen from the same side.
  function follow(figure) {
    figure.box.on('plotly_relayout', (change) => {
      if (turning || !change['scene.camera']) return;
      turning = true;
      camera = change['scene.camera'];
      const others = FIGURES.filter((other) => other !== figure);
      Promise.all(others.map((other) => Plotly.relayout(other.box, {'scene.camera': camera})))
          .then(() => { turning = false; });
    });
  }

  fill(byId('arm'), data.arms.map((a) => a.name));
  fillLayers();
  if (typeof Plotly === 'undefined') {
    const missing = byId('missing');
    const path = document.createElement('code');
    path.textContent = new URL(data.script, location.href).href;
    missing.append('The surfaces are drawn by plotly.js, which is not at ', path,
                   '. It lies beside the runs and is needed by this page: copy it there, ' +
                   'or write the report of the run again with runs report.');
    missing.hidden = false;
    byId('surfaces').hidden = true;
    for (const id of ['arm', 'layer', 'step']) byId(id).disabled = true;
    return;
  }
  byId('arm').addEventListener('change', () => { fillLayers(); draw(); });
  byId('layer').addEventListener('change', () => { fillSteps(); draw(); });
  byId('step').addEventListener('change', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  draw();
  FIGURES.forEach(follow);
})();
