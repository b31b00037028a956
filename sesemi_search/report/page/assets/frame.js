// Figures: drawn when they come into sight, and again with the width of the page and its colours. uPlot has the axes,
// the grid and the zoom (drag; a double click goes back); what is inside is painted here, on its canvas.

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const REACH = 14; // pixels around the pointer in which a trial is found
const CLICK_MS = 250; // within which a second click makes a double one
const figures = new Set();
let palette = {};

/** Reads the colours of the page as it is shown now. */
function readPalette() {
  const probe = document.body.appendChild(el("span", { hidden: true }));
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  palette = Object.fromEntries(["ink", "muted", "line", "surface", "accent", ...OUTCOMES].map((name) => [name, read(name)]));
  probe.remove();
}

const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) target.figure.show();
}, { rootMargin: "400px" });
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) target.figure.fit();
});

/** A plot with a text for those who do not see it; `draw(host, width)` returns `{repaint, destroy}`. */
class Figure {
  constructor(label, height, draw) {
    this.draw = draw;
    this.drawn = null;
    this.width = 0;
    this.host = el("div", { class: "plot", role: "img", "aria-label": label });
    this.host.style.minHeight = `${height}px`;
    this.host.figure = this;
    figures.add(this);
    sight.observe(this.host);
    widths.observe(this.host);
  }

  show() {
    const width = Math.floor(this.host.clientWidth);
    if (!width || (this.drawn && width === this.width)) return;
    this.width = width;
    this.drawn?.destroy();
    this.host.replaceChildren();
    this.drawn = this.draw(this.host, width);
    this.host.dataset.drawn = "";
  }

  fit() {
    if (this.drawn) this.show();
  }

  /** Draws anew what was drawn: with other colours. */
  redraw() {
    if (!this.drawn) return;
    this.width = 0;
    this.show();
  }

  remove() {
    sight.unobserve(this.host);
    widths.unobserve(this.host);
    this.drawn?.destroy();
    figures.delete(this);
  }
}

function redrawAll() {
  readPalette();
  for (const figure of figures) figure.redraw();
}

function showAll() {
  for (const figure of figures) figure.show();
}

function repaintAll() {
  for (const figure of figures) figure.drawn?.repaint();
}

/**
 * A figure with two axes.
 *
 * An axis is `{label, min, max, log, whole, format, names, named}`: `names` are those of its values from 0, `named` has texts for
 * some of them, above the plot. `paint(context, x, y, ratio, box)` gets the canvas, what turns values into its pixels, how many of
 * these a pixel of the page has, and where the plot is; it returns the marks that the pointer finds: `{x, y, trial}`, arrays of
 * one length.
 */
function frame(search, label, height, axes, paint) {
  return new Figure(label, height, (host, width) => {
    let marks = { x: [], y: [], trial: [] };
    const ratio = devicePixelRatio;
    const options = {
      width, height, legend: { show: false }, padding: [axes.x.named ? 20 : 10, 18, 0, 0],
      scales: { x: scaleOf(axes.x), y: scaleOf(axes.y) },
      axes: [axisOf(axes.x, 2), axisOf(axes.y, 3)],
      series: [{}, { paths: () => null, points: { show: false } }],
      cursor: { points: { show: false }, drag: { x: true, y: true, uni: 24 }, y: false, x: false },
      hooks: {
        draw: [(plot) => {
          const { ctx, bbox } = plot;
          ctx.save();
          ctx.beginPath();
          ctx.rect(bbox.left - 7 * ratio, bbox.top - 7 * ratio, bbox.width + 14 * ratio, bbox.height + 8 * ratio);
          ctx.clip();
          marks = paint(ctx, (value) => plot.valToPos(value, "x", true), (value) => plot.valToPos(value, "y", true), ratio, bbox) ?? marks;
          ctx.restore();
          for (const { at, text } of axes.x.named ?? []) paintName(ctx, ratio, plot.valToPos(at, "x", true), bbox.top - 5 * ratio, text);
          host.dataset.marks = marks.trial.length;
        }],
        setCursor: [(plot) => {
          const { left, top } = plot.cursor;
          const found = left < 0 ? null : nearest(marks, left * ratio + plot.bbox.left, top * ratio + plot.bbox.top, REACH * ratio);
          showTip(search, found);
        }],
      },
    };
    // uPlot finds its ranges in the data: the corners are all that it is given.
    const plot = new uPlot(options, [[axes.x.min, axes.x.max], [axes.y.min, axes.y.max]], host);
    plot.over.addEventListener("mouseleave", () => showTip(search, null));
    let pressed = null, opening = null;
    plot.over.addEventListener("mousedown", (event) => { pressed = [event.clientX, event.clientY]; });
    plot.over.addEventListener("click", (event) => {
      const wasDrag = pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 4;
      const box = plot.over.getBoundingClientRect();
      const at = [(event.clientX - box.left) * ratio + plot.bbox.left, (event.clientY - box.top) * ratio + plot.bbox.top];
      const found = wasDrag ? null : nearest(marks, ...at, REACH * ratio);
      clearTimeout(opening); // the second of a double click, which zooms back, opens nothing
      if (found !== null && event.detail === 1) opening = setTimeout(() => openTrial(search, found), CLICK_MS);
    });
    return { plot, repaint: () => plot.redraw(false), destroy: () => plot.destroy() };
  });
}

function scaleOf(axis) {
  return { time: false, distr: axis.log ? 3 : 1, range: (_, low, high) => [low, high] };
}

function axisOf(axis, side) {
  const longest = Math.max(0, ...(axis.names ?? []).map((name) => name.length));
  return {
    side, stroke: palette.muted, font: FONT, labelFont: FONT, label: axis.label, labelSize: axis.label ? 22 : 0, labelGap: 2,
    grid: { stroke: palette.line, width: 1, show: !axis.names }, ticks: { show: false }, gap: 6,
    size: side === 3 ? (axis.names ? Math.min(140, 16 + 7 * longest) : 54) : 28,
    ...(axis.names
      ? { splits: () => axis.names.map((_, i) => i), values: () => axis.names }
      : axis.log ? logTicks(axis.format ?? formatNumber)
      : { values: (_, splits) => splits.map((value) => (value === null ? "" : (axis.format ?? formatNumber)(value))) }),
    ...(axis.whole ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 1e5] } : {}),
  };
}

/** Ticks at 1, 2 and 5 times the powers of ten, or at these alone where they are many. */
function logTicks(format) {
  const ticks = (low, high) => {
    const powers = Array.from({ length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 }, (_, k) => 10 ** (Math.floor(Math.log10(low)) + k));
    const all = (powers.length > 3 ? powers : powers.flatMap((power) => [power, 2 * power, 5 * power])).map((value) => Number(value.toPrecision(6)));
    return all.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  };
  return { splits: (_, axis, low, high) => ticks(low, high), filter: (_, splits) => splits, values: (_, splits) => splits.map(format) };
}

function paintName(context, ratio, x, y, text) {
  context.fillStyle = palette.muted;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.fillText(text, x, y);
}

function nearest(marks, x, y, reach) {
  let found = null, least = reach * reach;
  for (let k = 0; k < marks.trial.length; k++) {
    const distance = (marks.x[k] - x) ** 2 + (marks.y[k] - y) ** 2;
    if (distance < least) [found, least] = [marks.trial[k], distance];
  }
  return found;
}

/** Shows what a trial is beside the pointer; nothing for null. */
function showTip(search, trial) {
  const tip = document.getElementById("tip");
  tip.hidden = trial === null;
  if (tip.hidden) return;
  const values = [`${search.metric.name} ${formatMetric(search.trials.value[trial])}`,
    ...Object.entries(search.trials.others).map(([name, all]) => `${name} ${formatMetric(all[trial])}`)];
  tip.replaceChildren(
    el("strong", {}, `trial ${search.trials.number[trial]}`), chip(search.outcome(trial)), el("div", {}, values.join(", ")),
    el("div", { class: "muted" }, search.reason(trial)),
    el("dl", {}, search.params.filter((param) => param.values[trial] !== null).slice(0, 12).map((param) =>
      [el("dt", {}, param.name), el("dd", {}, shorten(search.paramText(param, trial), 40))])));
  const [x, y] = pointer;
  const isRight = x > innerWidth / 2;
  tip.style.left = isRight ? "" : `${x + 16}px`;
  tip.style.right = isRight ? `${document.documentElement.clientWidth - x + 16}px` : "";
  tip.style.top = `${Math.max(8, Math.min(y - 20, innerHeight - tip.offsetHeight - 8))}px`;
}

let pointer = [0, 0];
addEventListener("mousemove", (event) => { pointer = [event.clientX, event.clientY]; }, true);

function chip(outcome) {
  return el("span", { class: `chip ${OUTCOMES.includes(outcome) ? outcome : ""}` }, outcome.replaceAll("_", " "));
}

/** Returns the least and the greatest with a share of their distance as room, wide enough to be a range. */
function rangeOf(values, log = false, share = 0.05) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value === null || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return log ? { min: 1, max: 10 } : { min: 0, max: 1 };
  if (log) return { min: low / (1 + 3 * share), max: high * (1 + 3 * share) };
  const room = (high - low || Math.abs(high) || 1) * share;
  return { min: low - room, max: high + room };
}

/** Paints trials as dots, those that were not selected faint; returns the marks. */
function paintDots(context, ratio, dots, colorOf, radius = 3) {
  const size = (dots.trial.length > 3000 ? 0.6 : 1) * radius * ratio;
  const groups = new Map();
  dots.trial.forEach((trial, k) => {
    const key = `${isSelected(trial) ? 1 : 0}${colorOf(trial)}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(k);
  });
  for (const key of [...groups.keys()].sort()) {
    context.fillStyle = key.slice(1);
    context.globalAlpha = key[0] === "1" ? (dots.trial.length > 3000 ? 0.5 : 0.75) : 0.08;
    context.beginPath();
    for (const k of groups.get(key)) {
      context.moveTo(dots.x[k] + size, dots.y[k]);
      context.arc(dots.x[k], dots.y[k], size, 0, 2 * Math.PI);
    }
    context.fill();
  }
  context.globalAlpha = 1;
  return dots;
}

/** Paints a ring around the best trial. */
function paintRing(context, ratio, x, y) {
  context.strokeStyle = palette.ink;
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  context.arc(x, y, 6 * ratio, 0, 2 * Math.PI);
  context.stroke();
}

function paintDashed(context, ratio, from, to, color) {
  context.save();
  context.setLineDash([4 * ratio, 4 * ratio]);
  context.strokeStyle = color;
  context.lineWidth = ratio;
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.restore();
}
