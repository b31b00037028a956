// Parallel coordinates: a line a trial, an axis a parameter. Dragging along an axis selects, on all figures and in the
// table; a click on the axis gives it free again.

const BINS = 12; // shades from the worst to the best
const LEAST_GAP = 96; // pixels between two axes; where there is less room, the figure is wider than its place
const SIDE = 52;
const [TOP, BOTTOM, UNSET] = [46, 20, 26]; // pixels above and below the axes, and down to where a value is not set

/** Returns the axes that there may be: parameters, the most important first, and the metric. */
function parallelAxes(search) {
  const varied = search.params.filter((param) => new Set(param.values.filter((value) => value !== null)).size > 1);
  const axes = varied.sort((a, b) => (b.importance ?? -1) - (a.importance ?? -1)).map((param) => ({
    name: param.name, values: param.values, choices: param.kind === "choice" ? param.choices : null, log: param.log,
  }));
  return [...axes, { name: search.metric.name, values: search.trials.value, choices: null, log: false, metric: true }];
}

function parallelPlot(search, axes) {
  const trials = search.where((i) => search.trials.value[i] !== null);
  const shade = shades(search, trials);
  const text = `Parallel coordinates of ${plural(trials.length, "trial")} over ${axes.map((axis) => axis.name).join(", ")}.`;
  const figure = new Figure(text, 380, (host, width) => {
    const wide = Math.max(width, 2 * SIDE + (axes.length - 1) * LEAST_GAP), high = 380, ratio = devicePixelRatio;
    const canvas = el("canvas", { width: wide * ratio, height: high * ratio });
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${high}px`;
    host.append(canvas);
    const context = canvas.getContext("2d");
    const places = axes.map((axis, k) => placeAxis(search, axis, SIDE + (k * (wide - 2 * SIDE)) / Math.max(1, axes.length - 1), high));
    const repaint = () => {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, wide, high);
      paintLines(context, trials, places, shade);
      places.forEach((place) => paintAxis(context, place));
      host.dataset.marks = trials.length;
    };
    repaint();
    brush(search, canvas, places);
    return { repaint, destroy() {} };
  });
  return figure;
}

/** Returns of each trial which of the bins of the metric it is in, the best in the last. */
function shades(search, trials) {
  const ranked = [...trials].sort((a, b) => search.sign * (search.trials.value[a] - search.trials.value[b]));
  const shade = new Uint8Array(search.size);
  ranked.forEach((i, rank) => { shade[i] = Math.floor((rank * BINS) / ranked.length); });
  return shade;
}

/** Returns an axis with its place, and of each trial how high it crosses: in pixels from above. */
function placeAxis(search, axis, left, high) {
  const [top, bottom] = [TOP, high - BOTTOM - UNSET];
  const range = axis.choices ? { min: -0.5, max: axis.choices.length - 0.5 } : rangeOf(axis.metric ? clipped(search, axis.values) : axis.values, axis.log, 0);
  const turn = axis.log ? Math.log : (value) => value;
  const length = turn(range.max) - turn(range.min);
  const share = (value) => (length ? Math.min(1, Math.max(0, (turn(value) - turn(range.min)) / length)) : 0.5);
  // Equal choices would be one line: they are spread over half of their room.
  const spread = (i) => (axis.choices ? (((search.trials.number[i] * 0.618) % 1) - 0.5) * 0.5 : 0);
  const y = Float32Array.from(axis.values, (value, i) => (value === null ? bottom + UNSET : bottom - share(value + spread(i)) * (bottom - top)));
  return { ...axis, left, top, bottom, range, y, at: (value) => bottom - share(value) * (bottom - top), hasUnset: axis.values.includes(null) };
}

/** Returns the values of the metric without the worst few, which would press the others together. */
function clipped(search, values) {
  const spread = quantiles(values);
  return search.sign > 0 ? [spread(0.05), spread(1)] : [spread(0), spread(0.95)];
}

function paintLines(context, trials, places, shade) {
  context.lineWidth = trials.length > 1000 ? 0.6 : 1.1;
  context.lineJoin = "round";
  const paint = (some, color, alpha) => {
    context.strokeStyle = color;
    context.globalAlpha = alpha;
    for (let start = 0; start < some.length; start += CHUNK) {
      context.beginPath();
      for (const i of some.slice(start, start + CHUNK)) {
        places.forEach((place, k) => context[k ? "lineTo" : "moveTo"](place.left, place.y[i]));
      }
      context.stroke();
    }
  };
  const strength = Math.min(0.85, 10 / Math.sqrt(trials.length)); // among thousands each is faint
  paint(trials.filter((i) => !isSelected(i)), palette.stopped, 0.08);
  for (let bin = 0; bin < BINS; bin++) {
    const some = trials.filter((i) => isSelected(i) && shade[i] === bin);
    paint(some, mix(palette.stopped, palette.accent, bin / (BINS - 1)), strength * (0.35 + (0.65 * bin) / (BINS - 1)));
  }
  context.globalAlpha = 1;
}

/** Returns a colour between two, which are `rgb(r, g, b)`. */
function mix(one, other, share) {
  const [a, b] = [one, other].map((text) => text.match(/[\d.]+/g).slice(0, 3).map(Number));
  return `rgb(${a.map((part, k) => Math.round(part + share * (b[k] - part))).join(",")})`;
}

function paintAxis(context, place) {
  const { left, top, bottom } = place;
  context.strokeStyle = palette.muted;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(left, top);
  context.lineTo(left, bottom);
  context.stroke();
  context.textAlign = "center";
  context.fillStyle = palette.ink;
  context.font = `600 ${FONT}`;
  context.fillText(shorten(place.name, 15), left, 16);
  context.font = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  const labels = place.choices
    ? place.choices.map((name, value) => [shorten(name, 14), place.at(value) + 4])
    : [[formatNumber(place.range.max), top - 6], [formatNumber(place.range.min), bottom + 14]];
  for (const [text, y] of labels) {
    const half = context.measureText(text).width / 2 + 3;
    context.globalAlpha = 0.85;
    context.fillStyle = palette.surface;
    context.fillRect(left - half, y - 10, 2 * half, 13);
    context.globalAlpha = 1;
    context.fillStyle = palette.muted;
    context.fillText(text, left, y);
  }
  if (place.hasUnset) context.fillText("not set", left, bottom + UNSET + 14);
  const brushed = view.brushes.get(place.name);
  if (brushed) {
    context.fillStyle = palette.accent;
    context.globalAlpha = 0.25;
    context.fillRect(left - 9, brushed[0], 18, brushed[1] - brushed[0]);
    context.globalAlpha = 1;
    context.strokeStyle = palette.accent;
    context.strokeRect(left - 9, brushed[0], 18, brushed[1] - brushed[0]);
  }
}

/** Lets the pointer select along an axis; a brush is kept as its ends in pixels. */
function brush(search, canvas, places) {
  let active = null;
  const find = (event) => {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const place = places.reduce((a, b) => (Math.abs(b.left - x) < Math.abs(a.left - x) ? b : a));
    return { place, x, y: Math.min(place.bottom + UNSET + 6, Math.max(place.top - 6, y)) };
  };
  canvas.addEventListener("pointerdown", (event) => {
    const found = find(event);
    if (Math.abs(found.place.left - found.x) > 28) return;
    active = { place: found.place, from: found.y, to: found.y };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const found = find(event);
    canvas.style.cursor = Math.abs(found.place.left - found.x) <= 28 ? "ns-resize" : "";
    if (!active) return;
    active.to = found.y;
    view.brushes.set(active.place.name, [Math.min(active.from, active.to), Math.max(active.from, active.to)]);
    select(search, places);
  });
  const end = () => {
    if (active && Math.abs(active.to - active.from) < 3) {
      view.brushes.delete(active.place.name);
      select(search, places);
    }
    active = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}

/** Selects the trials that pass every brush, and shows it everywhere. */
function select(search, places) {
  const brushed = places.filter((place) => view.brushes.has(place.name));
  view.selected = null;
  if (brushed.length) {
    view.selected = new Uint8Array(search.size);
    for (let i = 0; i < search.size; i++) {
      view.selected[i] = brushed.every(({ name, y }) => y[i] >= view.brushes.get(name)[0] && y[i] <= view.brushes.get(name)[1]) ? 1 : 0;
    }
  }
  selectionChanged();
}
