// FP4 codes of a layer's weights and activations at a step, side by side.
// Filled in by experiments/report_sections.cc: a script element with the id
// "codes" has {arms: [{name, steps, layers: [{name, weights, activations}]}]};
// weights and activations are a list of 16 counts for each step, or null.
(() => {
  'use strict';
  const data = JSON.parse(document.getElementById('codes').textContent);
  const root = document.getElementById('code-histograms');
  const magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
  // From -6 to 6; +0 and -0 are one value.
  const values = [];
  for (let i = 7; i > 0; --i) values.push({value: -magnitudes[i], codes: [i + 8]});
  values.push({value: 0, codes: [0, 8]});
  for (let i = 1; i < 8; ++i) values.push({value: magnitudes[i], codes: [i]});

  const make = (tag, attributes, parent, text) => {
    const svg = ['svg', 'rect', 'text', 'title', 'line'].includes(tag);
    const element = svg ?
        document.createElementNS('http://www.w3.org/2000/svg', tag) :
        document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, value);
    }
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  };
  const choice = (label, options) => {
    const wrap = make('label', {}, controls, label + ' ');
    const select = make('select', {}, wrap);
    options.forEach((name, i) => make('option', {value: i}, select, name));
    return select;
  };
  const controls = make('p', {class: 'controls'}, root);
  const charts = make('div', {class: 'pair'}, root);
  const arm = choice('Arm', data.arms.map((a) => a.name));
  const layer = choice('Layer', data.arms[0].layers.map((l) => l.name));
  const wrap = make('label', {}, controls, 'Step ');
  const step = make('input', {type: 'range', min: 0, value: 1e9}, wrap);
  const shown = make('output', {}, wrap);
  step.addEventListener('input', draw);
  layer.addEventListener('input', draw);
  // Another arm may have other layers; the one that is shown stays if it can.
  arm.addEventListener('input', () => {
    const before = layer.selectedOptions[0].textContent;
    const layers = data.arms[arm.selectedIndex].layers;
    layer.replaceChildren();
    layers.forEach((l, i) => make('option', {value: i}, layer, l.name));
    layer.selectedIndex =
        Math.max(0, layers.findIndex((l) => l.name === before));
    draw();
  });

  function chart(title, counts) {
    const figure = make('figure', {}, charts);
    make('figcaption', {}, figure, title);
    if (counts === null) {
      make('p', {class: 'note'}, figure, 'These are not in FP4.');
      return;
    }
    const total = counts.reduce((a, b) => a + b, 0) || 1;
    const shares = values.map(
        (v) => v.codes.reduce((sum, code) => sum + counts[code], 0) / total);
    const most = Math.max(...shares, 0.01);
    const svg = make('svg', {
      viewBox: '0 0 480 220', width: '100%', role: 'img',
      'font-size': 12, fill: 'var(--ink)',
    }, figure);
    const used = shares.filter((share) => share > 0).length;
    make('title', {}, svg, `${title}: ${used} of 15 values are used.`);
    shares.forEach((share, i) => {
      const height = 170 * share / most;
      const bar = make('rect', {
        x: 8 + 31 * i, y: 190 - height, width: 26, height: height,
        fill: '#0072b2', class: 'bar',
      }, svg);
      make('title', {}, bar,
           `${values[i].value}: ${(100 * share).toFixed(2)} %`);
      make('text', {x: 21 + 31 * i, y: 206, 'text-anchor': 'middle'}, svg,
           String(values[i].value).replace('-', '\u2212'));
      if (share === most) {
        make('text', {x: 21 + 31 * i, y: 184 - height, 'text-anchor': 'middle'},
             svg, `${(100 * share).toFixed(0)} %`);
      }
    });
    make('line', {x1: 4, x2: 476, y1: 190, y2: 190, stroke: 'var(--quiet)'},
         svg);
  }

  function draw() {
    const of = data.arms[arm.selectedIndex];
    step.max = of.steps.length - 1;
    const at = Number(step.value);
    const what = of.layers[layer.selectedIndex];
    shown.textContent = ` ${of.steps[at]}`;
    charts.replaceChildren();
    chart(`Weights of ${what.name}`, what.weights && what.weights[at]);
    chart(`Activations that enter ${what.name}`,
          what.activations && what.activations[at]);
  }
  draw();
})();
