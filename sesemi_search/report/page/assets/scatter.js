// Trials as dots: a parameter against the metric, what a model costs against it, one objective against another; slots over time.

const colorOf = (search) => (trial) => palette[search.outcome(trial)];

/** The metric, in a range, over one parameter; trials that were stopped stand at the value that they had. */
function slice(search, param, range) {
  const trials = search.where((i) => param.values[i] !== null && search.trials.value[i] !== null)
    .sort((a, b) => (search.outcome(a) === "complete") - (search.outcome(b) === "complete"));
  const isChoice = param.kind === "choice";
  const seen = isChoice ? [] : rangeOf([...param.values], param.log);
  const axes = {
    x: isChoice
      ? { min: -0.5, max: param.choices.length - 0.5, names: param.choices.map((name) => shorten(name, Math.max(5, Math.floor(36 / param.choices.length)))) }
      : { ...seen, log: param.log },
    y: range,
  };
  const at = (i) => param.values[i] + (isChoice ? (((search.trials.number[i] * 0.618) % 1) - 0.5) * 0.5 : 0);
  const text = `${search.metric.name} over ${param.name} of ${plural(trials.length, "trial")}.`;
  return frame(search, text, 190, axes, (context, x, y, ratio) => {
    const dots = { x: trials.map((i) => x(at(i))), y: trials.map((i) => y(search.trials.value[i])), trial: trials };
    paintDots(context, ratio, dots, colorOf(search), 2.6);
    const best = trials.indexOf(search.best);
    if (best >= 0) paintRing(context, ratio, dots.x[best], dots.y[best]);
    return dots;
  });
}

/** Returns the trials that no other beats in one quantity without being worse in the other, by the first. */
function paretoFront(trials, cost, gain) {
  const front = [];
  for (const i of [...trials].sort((a, b) => cost(a) - cost(b) || gain(b) - gain(a))) {
    if (!front.length || gain(i) > gain(front.at(-1))) front.push(i);
  }
  return front;
}

/** The metric of the complete trials over what they cost, with their Pareto front; `format` writes the cost. */
function costPlot(search, label, cost, format, sign = 1) {
  const trials = search.complete.filter((i) => cost[i] !== null && cost[i] !== undefined);
  const log = sign > 0 && trials.length > 0 && trials.every((i) => cost[i] > 0);
  const { value } = search.trials;
  const front = paretoFront(trials, (i) => sign * cost[i], (i) => search.sign * value[i]);
  const axes = {
    x: { label, ...rangeOf(trials.map((i) => cost[i]), log), log, format },
    y: { label: search.metric.name, ...rangeOf(trials.map((i) => value[i])) },
  };
  if (log && axes.x.max / axes.x.min < 20) [axes.x.log, axes.x.min, axes.x.max] = [false, ...Object.values(rangeOf(trials.map((i) => cost[i])))];
  const text = `${search.metric.name} over ${label} of ${plural(trials.length, "complete trial")}, ${front.length} of them on the Pareto front.`;
  return frame(search, text, 260, axes, (context, x, y, ratio) => {
    context.strokeStyle = palette.accent;
    context.lineWidth = 1.5 * ratio;
    context.beginPath();
    front.forEach((i, k) => {
      if (k) context.lineTo(x(cost[i]), y(value[front[k - 1]]));
      context[k ? "lineTo" : "moveTo"](x(cost[i]), y(value[i]));
    });
    context.stroke();
    const dots = { x: trials.map((i) => x(cost[i])), y: trials.map((i) => y(value[i])), trial: trials };
    const onFront = new Set(front);
    paintDots(context, ratio, dots, (i) => (onFront.has(i) ? palette.accent : palette.stopped), 3.2);
    const best = trials.indexOf(search.best);
    if (best >= 0) paintRing(context, ratio, dots.x[best], dots.y[best]);
    return dots;
  });
}

/** Which trial was in which slot when; pauses of the search are left out. */
function timeline(search) {
  const { began, ended, slot } = search.trials;
  const trials = search.where((i) => slot[i] !== null);
  const last = Math.max(1, ...trials.map((i) => ended[i])), slots = 1 + Math.max(0, ...trials.map((i) => slot[i]));
  const [unit, scale] = last > 7200 ? ["hours", 3600] : last > 120 ? ["minutes", 60] : ["seconds", 1];
  const shown = Math.min(slots, 64);
  const axes = {
    x: { label: `${unit} at work`, min: 0, max: last / scale },
    y: shown <= 16
      ? { min: -0.5, max: shown - 0.5, names: Array.from({ length: shown }, (_, i) => `slot ${i + 1}`) }
      : { label: "slot", min: -0.5, max: shown - 0.5, whole: true },
  };
  const text = `${plural(trials.length, "trial")} in ${plural(slots, "slot")} over ${formatSeconds(last)}.`;
  return frame(search, text, Math.min(420, 90 + 26 * shown), axes, (context, x, y, ratio) => {
    const marks = { x: [], y: [], trial: [] };
    const tall = Math.max(2, Math.abs(y(1) - y(0)) * 0.76);
    for (const outcome of OUTCOMES) {
      context.fillStyle = palette[outcome];
      for (const i of trials) {
        if (search.outcome(i) !== outcome) continue;
        context.globalAlpha = isSelected(i) ? 0.9 : 0.15;
        const left = x(began[i] / scale), width = Math.max(ratio, x(ended[i] / scale) - left - ratio);
        context.fillRect(left, y(slot[i]) - tall / 2, width, tall);
        marks.x.push(left + width / 2);
        marks.y.push(y(slot[i]));
        marks.trial.push(i);
      }
    }
    context.globalAlpha = 1;
    return marks;
  });
}
