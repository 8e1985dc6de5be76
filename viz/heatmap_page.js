'use strict';
// The page of one HeatmapSet. `data` is the format of viz/heatmap_json.h,
// `colors` comes from viz/heatmap_html.cc.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);
  const colors = JSON.parse(byId('colors').textContent);
  const canvas = byId('map');

  const ROW_HEIGHT = 17;
  const MIN_CELL = 3;    // Narrower maps scroll sideways.
  const MAX_CELL = 44;
  const MAX_CANVAS = 30000;  // Pixels; browsers draw no wider.
  const FOOT = 46;       // Steps and their axis title.
  const BAR_GAP = 18;
  const BAR_WIDTH = 16;
  const BAR_LABELS = 74;
  const FONT = '12px system-ui, "DejaVu Sans", sans-serif';

  let current = data.statistics[0];
  let cell = null;       // {row, col} that is pointed at.
  let layout = null;

  // ---- Numbers --------------------------------------------------------------

  // null: not measured; strings: NaN, Infinity, -Infinity.
  const isFinite = (v) => typeof v === 'number';
  const withUnit = (v) => v === null ? 'not measured' :
      String(v) + (current.unit ? ' ' + current.unit : '');

  function quantile(sorted, q) {
    const at = q * (sorted.length - 1);
    const low = Math.floor(at);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
  }

  // The colour range, as viz/color_scale.h states it.
  function makeScale() {
    let kind = byId('scale').value;
    let values = current.values.flat().filter(isFinite);
    if (values.length === 0) return null;
    if (kind === 'log') {
      const positive = values.filter((v) => v > 0);
      if (positive.length === 0) kind = 'linear'; else values = positive;
    }
    values.sort((a, b) => a - b);
    const trim = byId('clip').checked ? 0.01 : 0;
    let low = quantile(values, trim);
    let high = quantile(values, 1 - trim);
    if (kind === 'percent') low = Math.min(0, low);
    if (kind === 'symmetric') {
      high = Math.max(Math.abs(low), Math.abs(high));
      low = -high;
    }
    if (low === high) {
      const margin = low === 0 ? 1 : 0.1 * Math.abs(low);
      if (kind !== 'percent' && kind !== 'log') low -= margin;
      high += margin;
    }
    const log = kind === 'log';
    const position = (v) => log ?
        (v <= low ? 0 : Math.log(v / low) / Math.log(high / low)) :
        (v - low) / (high - low);
    return {low, high, log, position,
            map: kind === 'symmetric' ? colors.diverging : colors.sequential};
  }

  function colorAt(map, t) {
    const at = Math.min(Math.max(t, 0), 1) * (map.length - 1);
    const i = Math.min(Math.floor(at), map.length - 2);
    const mix = map[i].map((c, k) => Math.round(c + (at - i) * (map[i + 1][k] - c)));
    return `rgb(${mix})`;
  }

  function colorOf(scale, v) {
    if (v === null) return colors.missing;
    if (v === 'NaN') return colors.nan;
    if (v === 'Infinity') return colors.positive_infinity;
    if (v === '-Infinity') return colors.negative_infinity;
    return colorAt(scale.map, scale.position(v));
  }

  // What the axes are, and the names of the columns.
  const rowTitle = () => current.row_title || 'layer';
  const columnTitle = () => current.column_title || 'step';
  const columnNames = () => current.column_names || current.steps;

  const label = (v) => String(Number(v.toPrecision(4)));

  function ticks(scale) {
    if (scale.log) {
      const first = Math.floor(Math.log10(scale.low));
      const last = Math.floor(Math.log10(scale.high) + 1e-9);
      const stride = Math.max(1, Math.floor((last - first) / 6));
      const factors = last - first > 2 ? [1] : [1, 2, 5];
      const list = [];
      for (let e = first; e <= last; e += stride) {
        list.push(...factors.map((f) => f * 10 ** e).filter(
            (v) => v >= scale.low * (1 - 1e-9) && v <= scale.high * (1 + 1e-9)));
      }
      if (list.length >= 3) return list;
    }
    const raw = (scale.high - scale.low) / 6;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((f) => f * power >= raw * (1 - 1e-9));
    const list = [];
    for (let k = Math.ceil(scale.low / step - 1e-9); k * step <= scale.high + 1e-9 * step; ++k) {
      list.push(k * step);
    }
    return list;
  }

  // ---- Drawing --------------------------------------------------------------

  function fit(context, text, width) {
    if (context.measureText(text).width <= width) return text;
    let keep = text.length - 1;
    let short = text;
    while (keep > 2 && context.measureText(short).width > width) {
      --keep;
      short = text.slice(0, Math.ceil(keep / 2)) + '\u2026' +
          text.slice(text.length - Math.floor(keep / 2));
    }
    return short;
  }

  function measure(context) {
    const rows = current.layers.length;
    const cols = current.steps.length;
    const widest = Math.max(...current.layers.map((l) => context.measureText(l).width));
    const left = Math.min(widest, 260) + 10;
    const room = byId('scroll').clientWidth - left - BAR_GAP - BAR_WIDTH - BAR_LABELS;
    const widestMap = MAX_CANVAS / (window.devicePixelRatio || 1) / cols;
    const cellWidth = Math.min(Math.max(room / cols, MIN_CELL), MAX_CELL, widestMap);
    return {rows, cols, left, top: 6, cellWidth, cellHeight: ROW_HEIGHT,
            width: cellWidth * cols, height: ROW_HEIGHT * rows};
  }

  function draw() {
    const context = canvas.getContext('2d');
    context.font = FONT;
    layout = measure(context);
    const {rows, cols, left, top, cellWidth, cellHeight, width, height} = layout;
    const total = {width: left + width + BAR_GAP + BAR_WIDTH + BAR_LABELS,
                   height: top + height + FOOT};
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(total.width * ratio);
    canvas.height = Math.round(total.height * ratio);
    canvas.style.width = total.width + 'px';
    canvas.style.height = total.height + 'px';
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = FONT;
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue('--ink');
    const quiet = style.getPropertyValue('--quiet');
    const scale = makeScale();

    // Cells end where their neighbours begin, on whole pixels.
    const snap = (v) => Math.round(v * ratio) / ratio;
    for (let row = 0; row < rows; ++row) {
      for (let col = 0; col < cols; ++col) {
        const x = snap(left + col * cellWidth);
        const y = top + row * cellHeight;
        context.fillStyle = colorOf(scale, current.values[row][col]);
        context.fillRect(x, y, snap(left + (col + 1) * cellWidth) - x, cellHeight);
      }
    }
    context.strokeStyle = quiet;
    context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);

    context.fillStyle = ink;
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    current.layers.forEach((layer, row) => {
      context.fillText(fit(context, layer, left - 10), left - 7, top + (row + 0.5) * cellHeight);
    });
    context.textAlign = 'center';
    const names = columnNames();
    const widest = Math.max(...names.map((s) => context.measureText(s).width));
    const stride = Math.max(1, Math.ceil((widest + 14) / cellWidth));
    for (let col = 0; col < cols; col += stride) {
      const x = left + (col + 0.5) * cellWidth;
      context.fillText(names[col], x, top + height + 14);
      context.fillRect(x - 0.5, top + height + 1, 1, 4);
    }
    context.fillStyle = quiet;
    context.fillText(columnTitle(), left + width / 2, top + height + 34);
    drawBar(context, scale, left + width + BAR_GAP, ink, quiet);
    if (cell) {
      context.lineWidth = 2;
      const x = left + cell.col * cellWidth;
      const y = top + cell.row * cellHeight;
      context.strokeStyle = '#000';
      context.strokeRect(x - 1, y - 1, cellWidth + 2, cellHeight + 2);
      context.strokeStyle = '#fff';
      context.strokeRect(x + 1, y + 1, Math.max(cellWidth - 2, 1), cellHeight - 2);
      context.lineWidth = 1;
    }
  }

  function drawBar(context, scale, x, ink, quiet) {
    const {top, height} = layout;
    context.textAlign = 'left';
    context.fillStyle = ink;
    if (!scale) {
      context.fillText('no finite value', x, top + 8);
      return;
    }
    for (let y = 0; y < height; ++y) {
      context.fillStyle = colorAt(scale.map, 1 - (y + 0.5) / height);
      context.fillRect(x, top + y, BAR_WIDTH, 1);
    }
    context.strokeStyle = quiet;
    context.strokeRect(x - 0.5, top - 0.5, BAR_WIDTH + 1, height + 1);
    context.fillStyle = ink;
    for (const value of ticks(scale)) {
      const y = top + height * (1 - Math.min(Math.max(scale.position(value), 0), 1));
      context.fillRect(x + BAR_WIDTH + 1, y - 0.5, 4, 1);
      context.fillText(label(value), x + BAR_WIDTH + 8, y);
    }
    context.fillStyle = quiet;
    const note = [current.unit, scale.log ? 'log' : ''].filter(Boolean).join(', ');
    context.fillText(note, x, top + height + 14);
  }

  // ---- The cell that is pointed at ------------------------------------------

  function lines() {
    const layer = current.layers[cell.row];
    const column = columnNames()[cell.col];
    return [layer, `${columnTitle()} ${column}`, withUnit(current.values[cell.row][cell.col])];
  }

  function element(name, text) {
    const node = document.createElement(name);
    node.textContent = text;
    return node;
  }

  function showReadout() {
    const readout = byId('readout');
    readout.replaceChildren();
    if (!cell) {
      readout.textContent = 'No cell selected.';
      return;
    }
    const [layer, step, value] = lines();
    readout.append(`${current.title || current.statistic} of ${layer} at ${step}: `,
                   element('b', value));
  }

  function showTip(x, y) {
    const tip = byId('tip');
    if (!cell || x === undefined) {
      tip.style.display = 'none';
      return;
    }
    const [layer, step, value] = lines();
    tip.replaceChildren(element('b', value), document.createElement('br'),
                        element('span', `${layer}, ${step}`));
    tip.style.display = 'block';
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.min(x + 16, innerWidth - box.width - 8) + 'px';
    tip.style.top = (y + 20 + box.height > innerHeight ? y - box.height - 12 : y + 16) + 'px';
  }

  function select(next, x, y) {
    const same = (cell && cell.row) === (next && next.row) &&
        (cell && cell.col) === (next && next.col);
    cell = next;
    if (!same) {
      draw();
      showReadout();
    }
    showTip(x, y);
  }

  function cellAt(event) {
    const box = canvas.getBoundingClientRect();
    const col = Math.floor((event.clientX - box.left - layout.left) / layout.cellWidth);
    const row = Math.floor((event.clientY - box.top - layout.top) / layout.cellHeight);
    return col >= 0 && col < layout.cols && row >= 0 && row < layout.rows ? {row, col} : null;
  }

  canvas.addEventListener('pointermove', (event) => {
    const at = cellAt(event);
    // Off the map the last cell stays readable below it.
    if (at) select(at, event.clientX, event.clientY); else showTip();
  });
  canvas.addEventListener('pointerleave', () => showTip());
  canvas.addEventListener('keydown', (event) => {
    const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const from = cell || {row: 0, col: 0};
    const clamp = (v, n) => Math.min(Math.max(v, 0), n - 1);
    select({row: clamp(from.row + (cell ? move[0] : 0), layout.rows),
            col: clamp(from.col + (cell ? move[1] : 0), layout.cols)});
  });

  // ---- Controls -------------------------------------------------------------

  function fillTable() {
    if (!byId('details').open) return;
    const table = document.createElement('table');
    const head = table.createTHead().insertRow();
    head.append(element('th', `${rowTitle()} \\ ${columnTitle()}`),
                ...columnNames().map((s) => element('th', s)));
    const body = table.createTBody();
    current.layers.forEach((layer, row) => {
      body.insertRow().append(element('th', layer), ...current.values[row].map(
          (v) => element('td', v === null ? '' : String(v))));
    });
    byId('table').replaceChildren(table);
  }

  function show(statistic, keepCell) {
    current = statistic;
    byId('statistic').value = current.statistic;
    byId('scale').value = current.scale;
    byId('description').textContent = current.description;
    canvas.setAttribute('aria-label', `Heatmap of ${current.title || current.statistic}: ` +
        `${current.layers.length} ${rowTitle()}s by ${current.steps.length} ` +
        `${columnTitle()}s. ` +
        'Arrow keys move between cells.');
    if (cell && (!keepCell || cell.row >= current.layers.length ||
                 cell.col >= current.steps.length)) {
      cell = null;
    }
    draw();
    showTip();
    showReadout();
    fillTable();
  }

  function turn(by) {
    const list = data.statistics;
    show(list[(list.indexOf(current) + by + list.length) % list.length], true);
    saveHash();
  }

  function saveHash() {
    const hash = new URLSearchParams({statistic: current.statistic}).toString();
    try { history.replaceState(null, '', '#' + hash); } catch (error) { /* file: */ }
  }

  // #statistic=kurtosis&layer=down1.conv1&step=40&scale=log: a link to a value.
  function readHash() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    show(data.statistics.find((s) => s.statistic === wanted.get('statistic')) || current, false);
    if (wanted.get('scale')) byId('scale').value = wanted.get('scale');
    const row = current.layers.indexOf(wanted.get('layer'));
    const col = current.steps.indexOf(Number(wanted.get('step')));
    if (row >= 0 && col >= 0 && wanted.has('step')) cell = {row, col};
    draw();
    showReadout();
  }

  const join = (...parts) => parts.filter(Boolean).join('  \u00b7  ');
  byId('title').textContent = join(data.model, data.tensor);
  byId('subtitle').textContent = join(data.experiment, data.task);
  byId('statistic').append(...data.statistics.map((s) => {
    const option = element('option', (s.title || s.statistic) + (s.unit ? ` [${s.unit}]` : ''));
    option.value = s.statistic;
    return option;
  }));
  byId('legend').append(...[['NaN', colors.nan], ['+Infinity', colors.positive_infinity],
                            ['\u2212Infinity', colors.negative_infinity],
                            ['not measured', colors.missing]].map(([name, color]) => {
    const item = element('li', '');
    const swatch = document.createElement('i');
    swatch.style.background = color;
    item.append(swatch, name);
    return item;
  }));
  byId('statistic').addEventListener('change', (event) => {
    show(data.statistics.find((s) => s.statistic === event.target.value), true);
    saveHash();
  });
  byId('previous').addEventListener('click', () => turn(-1));
  byId('next').addEventListener('click', () => turn(1));
  byId('scale').addEventListener('change', draw);
  byId('clip').addEventListener('change', draw);
  byId('details').addEventListener('toggle', fillTable);
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '[') turn(-1);
    if (event.key === ']') turn(1);
  });
  addEventListener('resize', draw);
  addEventListener('hashchange', readHash);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  readHash();
})();
