// The best so far, and the learning curves with what stopped them.

/** The best value among the complete trials, over trials or over hours at work. */
function bestSoFar(search, overHours) {
  const { value, number, ended } = search.trials;
  const at = (i) => (overHours ? ended[i] / 3600 : number[i]);
  const order = search.complete.filter((i) => !overHours || ended[i] !== null).sort((a, b) => at(a) - at(b));
  const last = overHours ? Math.max(0, ...ended.filter((each) => each !== null)) / 3600 : (number.at(-1) ?? 0);
  const first = overHours ? 0 : (number[0] ?? 0);
  const steps = [];
  for (const i of order) if (!steps.length || search.isBetter(value[i], value[steps.at(-1)])) steps.push(i);
  const baseline = search.search.baseline === null ? null : value[search.places.get(search.search.baseline)];
  const spread = quantiles(order.map((i) => value[i]));
  const shown = [spread(search.sign > 0 ? 0.05 : 0), spread(search.sign > 0 ? 1 : 0.95), baseline];
  const short = overHours && last < 0.1;
  const scale = short ? 60 : 1;
  const axes = {
    x: { label: overHours ? (short ? "minutes at work" : "hours at work") : "trial", min: first * scale, max: Math.max(last, first + 1e-3) * scale || 1, whole: !overHours },
    y: { label: search.metric.name, ...rangeOf(shown), format: formatNumber },
  };
  const over = overHours ? "time at work" : "trials";
  const text = `Best ${search.metric.name} so far over ${over}: ${steps.length ? `${formatMetric(value[steps[0]])} to ${formatMetric(value[steps.at(-1)])}` : "no trial is complete"}.`;
  return frame(search, text, 250, axes, (context, x, y, ratio, box) => {
    if (baseline !== null) paintDashed(context, ratio, [box.left, y(baseline)], [box.left + box.width, y(baseline)], palette.muted);
    const dots = { x: order.map((i) => x(at(i) * scale)), y: order.map((i) => y(value[i])), trial: order };
    paintDots(context, ratio, dots, () => palette.complete, 2.5);
    context.strokeStyle = palette.accent;
    context.lineWidth = 2 * ratio;
    context.beginPath();
    steps.forEach((i, k) => {
      if (k) context.lineTo(x(at(i) * scale), y(value[steps[k - 1]]));
      context[k ? "lineTo" : "moveTo"](x(at(i) * scale), y(value[i]));
    });
    if (steps.length) context.lineTo(x(last * scale), y(value[steps.at(-1)]));
    context.stroke();
    return dots;
  });
}

/** Returns a function that gives quantiles of numbers. */
function quantiles(values) {
  const sorted = Float64Array.from(values.filter((value) => value !== null)).sort();
  return (share) => {
    if (!sorted.length) return null;
    const place = share * (sorted.length - 1), low = Math.floor(place);
    return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  };
}

/** The epochs at which trials were stopped: their number, values and bars. */
function findRungs(search) {
  const rungs = new Map();
  for (const i of search.where((i) => search.outcome(i) === "stopped")) {
    const epoch = search.trials.epochs[i];
    if (!rungs.has(epoch)) rungs.set(epoch, { epoch, values: [], bars: [] });
    if (search.trials.value[i] !== null) rungs.get(epoch).values.push(search.trials.value[i]);
    if (search.trials.bar[i]?.[1] !== null && search.trials.bar[i]) rungs.get(epoch).bars.push(search.trials.bar[i][1]);
  }
  for (const rung of rungs.values()) {
    rung.reached = search.where((i) => search.trials.epochs[i] >= rung.epoch).length;
    rung.stopped = search.where((i) => search.outcome(i) === "stopped" && search.trials.epochs[i] === rung.epoch).length;
  }
  return [...rungs.values()].sort((a, b) => a.epoch - b.epoch);
}

const MANY_RUNGS = 8; // a pruner that judges after each epoch has none worth a line

/** Every trial's metric epoch by epoch, in the colour of its outcome; the rungs; the best one on top. */
function learningCurves(search, rungs) {
  const trials = search.where((i) => search.curves[i].length > 0);
  const longest = Math.max(1, ...trials.map((i) => search.curves[i].length));
  const spread = quantiles(trials.flatMap((i) => search.curves[i]));
  const ends = search.sign > 0 ? [spread(0.06), spread(1)] : [spread(0), spread(0.94)];
  const marked = rungs.length <= MANY_RUNGS ? rungs : [];
  const axes = {
    x: { label: "epoch", min: longest > 1 ? 1 : 0, max: longest, whole: true, named: marked.map(({ epoch }) => ({ at: epoch, text: `rung ${epoch}` })) },
    y: { label: search.metric.name, ...rangeOf(ends) },
  };
  // What is on top is painted last.
  const layers = [...OUTCOMES].reverse().filter((name) => name !== "stopped" && name !== "complete");
  const order = ["stopped", ...layers, "complete"];
  const text = `Learning curves of ${plural(trials.length, "trial")} over ${plural(longest, "epoch")}: ${search.outcomes.map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`).join(", ")}.`;
  return frame(search, text, 360, axes, (context, x, y, ratio, box) => {
    for (const rung of marked) {
      paintDashed(context, ratio, [x(rung.epoch), box.top], [x(rung.epoch), box.top + box.height], palette.muted);
    }
    const marks = { x: [], y: [], trial: [] };
    for (const outcome of order) {
      paintCurves(search, context, trials.filter((i) => search.outcome(i) === outcome), palette[outcome], x, y, ratio, marks);
    }
    for (const rung of marked) paintBars(context, rung, x, y, ratio);
    if (search.best !== null && search.curves[search.best].length) {
      paintPath(context, search.curves[search.best], x, y);
      context.lineWidth = 3 * ratio;
      context.strokeStyle = palette.ink;
      context.stroke();
    }
    return marks;
  });
}

const CHUNK = 64; // curves in one stroke: among few, crossings stay visible

function paintCurves(search, context, trials, color, x, y, ratio, marks) {
  for (const selected of [false, true]) {
    const some = trials.filter((i) => isSelected(i) === selected);
    context.strokeStyle = context.fillStyle = color;
    context.lineWidth = (trials.length > 1000 ? 0.7 : 1.1) * ratio;
    context.globalAlpha = selected ? (some.length > 1000 ? 0.35 : some.length > 100 ? 0.55 : 0.8) : 0.06;
    for (let start = 0; start < some.length; start += CHUNK) {
      context.beginPath();
      for (const i of some.slice(start, start + CHUNK)) {
        const end = paintPath(context, search.curves[i], x, y, false);
        if (end === null) continue;
        marks.x.push(end[0]);
        marks.y.push(end[1]);
        marks.trial.push(i);
      }
      context.stroke();
    }
  }
  context.globalAlpha = trials.length > 1000 ? 0.5 : 0.9;
  const size = (trials.length > 1000 ? 1.2 : 2.2) * ratio;
  const from = marks.trial.length - trials.length;
  for (let k = Math.max(0, from); k < marks.trial.length; k++) {
    if (isSelected(marks.trial[k])) context.fillRect(marks.x[k] - size, marks.y[k] - size, 2 * size, 2 * size);
  }
  context.globalAlpha = 1;
}

/** Puts a curve into the path; returns its end, null of one without. */
function paintPath(context, curve, x, y, begin = true) {
  if (begin) context.beginPath();
  let last = null;
  curve.forEach((value, k) => {
    if (value === null) return;
    const here = [x(k + 1), y(value)];
    context[last === null ? "moveTo" : "lineTo"](...here);
    last = here;
  });
  return last;
}

/** Paints what there was to reach at a rung, a tick a trial that was stopped. */
function paintBars(context, rung, x, y, ratio) {
  const at = x(rung.epoch);
  context.strokeStyle = palette.ink;
  context.lineWidth = 1.5 * ratio;
  context.globalAlpha = rung.bars.length > 100 ? 0.15 : 0.6;
  context.beginPath();
  for (const bar of rung.bars) {
    context.moveTo(at - 9 * ratio, y(bar));
    context.lineTo(at + 9 * ratio, y(bar));
  }
  context.stroke();
  context.globalAlpha = 1;
}
