// Histograms of a layer's tensors at a step, side by side. Filled in by
// experiments/histogram_section.cc: a script element with the id "histograms"
// has {arms: [{name, steps, layers: [{name, charts}]}]}; charts has lists of
// {title, first, counts} by what they count, "codes", "magnitudes" or "scales";
// counts is a list of bars for each step, or null, the first bar's place being
// `first`: the code, or the power of two. Lists of `zeros` and `nonfinite` say how
// many have no power of two.
(() => {
  'use strict';
  const data = JSON.parse(document.getElementById('histograms').textContent);
  const root = document.getElementById('histogram-charts');
  const kinds = [
    {key: 'codes', name: 'FP4 values'},
    {key: 'magnitudes', name: 'Magnitudes, before quantisation'},
    {key: 'scales', name: 'Block scales'},
  ];
  const magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
  // From -6 to 6; +0 and -0 are one value.
  const values = [];
  for (let i = 7; i > 0; --i) values.push({value: -magnitudes[i], codes: [i + 8]});
  values.push({value: 0, codes: [0, 8]});
  for (let i = 1; i < 8; ++i) values.push({value: magnitudes[i], codes: [i]});

  const make = (tag, attributes, parent, text) => {
    const svg = ['svg', 'rect', 'text', 'tspan', 'title', 'line'].includes(tag);
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
  const controls = make('p', {class: 'controls'}, root);
  const charts = make('div', {class: 'pair'}, root);
  const choice = (label) => {
    const wrap = make('label', {}, controls, label + ' ');
    return make('select', {}, wrap);
  };
  // What was chosen stays if it can.
  const offer = (select, names) => {
    const before = select.selectedOptions[0]?.textContent;
    select.replaceChildren();
    names.forEach((name, i) => make('option', {value: i}, select, name));
    select.selectedIndex = Math.max(0, names.indexOf(before));
  };
  const arm = choice('Arm');
  const kind = choice('What');
  const layer = choice('Layer');
  const wrap = make('label', {}, controls, 'Step ');
  const step = make('input', {type: 'range', min: 0, value: 1e9}, wrap);
  const shown = make('output', {}, wrap);

  const armNow = () => data.arms[arm.selectedIndex];
  const kindNow = () => kinds.find((k) => k.name === kind.selectedOptions[0].textContent);
  const layersNow = () => armNow().layers.filter((l) => l.charts[kindNow().key]);

  function offerKinds() {
    offer(kind, kinds.filter((k) => armNow().layers.some((l) => l.charts[k.key]))
                    .map((k) => k.name));
    offerLayers();
  }
  function offerLayers() {
    offer(layer, layersNow().map((l) => l.name));
    draw();
  }

  // What the bars are of: their shares, short labels below some of them, and
  // names for who points at them.
  function bars(key, chart, counts) {
    if (key === 'codes') {
      return values.map((v) => ({
        count: v.codes.reduce((sum, code) => sum + counts[code], 0),
        label: String(v.value).replace('-', '\u2212'),
        name: String(v.value),
      }));
    }
    // At most 8 labels.
    const every = Math.ceil(counts.length / 8);
    return counts.map((count, i) => {
      const power = chart.first + i;
      return {
        count,
        power: power % every === 0 ? power : undefined,
        name: `from 2^${power}`,
      };
    });
  }

  function note(chart, at, total) {
    if (!chart.zeros) return '';
    const all = total + chart.zeros[at] + chart.nonfinite[at];
    const has = [[chart.zeros[at], 'zero'], [chart.nonfinite[at], 'not finite']]
        .filter(([count]) => count > 0)
        .map(([count, what]) => `${count.toLocaleString('en')} ` +
             `(${(100 * count / all).toFixed(1)} %) are ${what}`);
    return has.length > 0 ? `Besides, ${has.join(' and ')}.` : '';
  }

  function draw() {
    const of = armNow();
    const key = kindNow().key;
    step.max = of.steps.length - 1;
    const at = Number(step.value);
    const what = layersNow()[layer.selectedIndex];
    shown.textContent = ` ${of.steps[at]}`;
    charts.replaceChildren();
    for (const chart of what.charts[key]) drawChart(key, chart, what.name, at);
  }

  function drawChart(key, chart, name, at) {
    const figure = make('figure', {}, charts);
    const title = chart.title + name;
    make('figcaption', {}, figure, title);
    const counts = chart.counts[at];
    if (counts === null) {
      make('p', {class: 'note'}, figure, 'Nothing was measured at this step.');
      return;
    }
    const all = bars(key, chart, counts);
    const total = all.reduce((sum, bar) => sum + bar.count, 0) || 1;
    const most = Math.max(...all.map((bar) => bar.count / total), 0.01);
    const svg = make('svg', {
      viewBox: '0 0 480 220', width: '100%', role: 'img',
      'font-size': 12, fill: 'var(--ink)',
    }, figure);
    const used = all.filter((bar) => bar.count > 0).length;
    make('title', {}, svg, key === 'codes' ?
         `${title}: ${used} of 15 values are used.` :
         `${title}: ${used} powers of two from 2^${chart.first}.`);
    const pitch = Math.min(464 / all.length, 31);
    let labelled = false;
    all.forEach((bar, i) => {
      const share = bar.count / total;
      const height = 170 * share / most;
      const x = 8 + pitch * i;
      const middle = x + pitch / 2;
      const rect = make('rect', {
        x: x + 0.08 * pitch, y: 190 - height, width: 0.84 * pitch,
        height: height, fill: '#0072b2', class: 'bar',
      }, svg);
      make('title', {}, rect, `${bar.name}: ${(100 * share).toFixed(2)} %`);
      if (bar.label !== undefined) {
        make('text', {x: middle, y: 206, 'text-anchor': 'middle'}, svg, bar.label);
      }
      if (bar.power !== undefined) {
        const text = make('text', {x: middle, y: 208, 'text-anchor': 'middle'}, svg, '2');
        make('tspan', {dy: -5, 'font-size': 9}, text,
             String(bar.power).replace('-', '\u2212'));
      }
      if (share === most && !labelled) {
        labelled = true;
        make('text', {x: middle, y: 184 - height, 'text-anchor': 'middle'},
             svg, `${(100 * share).toFixed(0)} %`);
      }
    });
    make('line', {x1: 4, x2: 476, y1: 190, y2: 190, stroke: 'var(--quiet)'}, svg);
    const besides = note(chart, at, total);
    if (besides !== '') make('p', {class: 'note'}, figure, besides);
  }

  offer(arm, data.arms.map((a) => a.name));
  // The last arm is in FP4, where one is.
  arm.selectedIndex = data.arms.findLastIndex(
      (a) => a.layers.some((l) => l.charts.codes));
  if (arm.selectedIndex < 0) arm.selectedIndex = 0;
  arm.addEventListener('input', offerKinds);
  kind.addEventListener('input', offerLayers);
  layer.addEventListener('input', draw);
  step.addEventListener('input', draw);
  offerKinds();
})();
