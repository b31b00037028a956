// What is said in words and tables: the key figures, importance, families, rungs, failures, where the search came from.

function keyFigures(search) {
  const { search: facts, trials } = search, best = search.best;
  const ended = search.outcomes.filter(([name]) => !["running", "interrupted", "orphaned"].includes(name)).reduce((sum, [, count]) => sum + count, 0);
  const others = best === null ? [] : Object.entries(trials.others).map(([name, all]) => `${name} ${formatMetric(all[best])}`);
  const left = facts.seconds_left === null ? "" : `about ${formatSeconds(facts.seconds_left)} to go`;
  const slots = new Set(trials.slot.filter((slot) => slot !== null)).size;
  const training = trials.seconds.reduce((sum, seconds) => sum + (seconds ?? 0), 0);
  const size = best === null || trials.num_params[best] === null ? "" : `${formatCount(trials.num_params[best])} parameters`;
  const figure = (label, value, ...notes) => el("div", { class: "figure" }, el("dt", {}, label), el("dd", {}, el("span", { class: "value" }, value), notes.filter(Boolean).map((note) => el("span", { class: "note" }, note))));
  return el("dl", { class: "figures" },
    figure(`best ${search.metric.name}`, best === null ? "–" : formatMetric(trials.value[best]), best === null ? "no trial ran all its epochs" : `trial ${trials.number[best]}`, ...others, size),
    figure("trials", String(search.size), `${ended} ended, ${facts.num_trials} asked for`),
    figure("at work", facts.seconds ? formatSeconds(facts.seconds) : "–", left, slots ? plural(slots, "slot") : ""),
    figure("training", training ? formatSeconds(training) : "–", training ? "all slots together" : ""));
}

function outcomeBar(search) {
  return el("ul", { class: "outcomes", "aria-label": "Outcomes" }, search.outcomes.map(([name, count]) => el("li", {}, chip(name), ` ${count.toLocaleString("en")}`)));
}

function bestParams(search) {
  if (search.best === null) return null;
  return el("dl", { class: "params" }, search.params.filter((param) => param.values[search.best] !== null)
    .map((param) => el("div", {}, el("dt", {}, param.name), el("dd", {}, search.paramText(param, search.best)))));
}

/** A bar in a table: a share of the greatest, in the colour of the accent. */
function bar(share) {
  return el("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    el("rect", { class: "track", width: 100, height: 10 }), el("rect", { class: "fill", width: Math.max(0.5, 100 * share), height: 10 }));
}

function importanceTable(search) {
  const known = search.params.filter((param) => param.importance !== null).sort((a, b) => b.importance - a.importance);
  if (!known.length) return el("p", { class: "empty" }, "Fewer than eight trials are complete: they say nothing of what mattered.");
  const most = known[0].importance || 1;
  return table("Importance of each parameter", ["parameter", "importance", "", "exists where"],
    known.map((param) => [param.name, `${(100 * param.importance).toFixed(1)} %`, bar(param.importance / most), param.condition || "always"]), [1]);
}

/** Of each option of a choice: how many trials, how many complete, and how the complete ones are spread. */
function familyTable(search, param) {
  const groups = param.choices.map((name, value) => ({ name, trials: search.where((i) => param.values[i] === value) })).filter((group) => group.trials.length);
  for (const group of groups) {
    group.values = group.trials.filter((i) => search.outcome(i) === "complete" && search.trials.value[i] !== null).map((i) => search.trials.value[i]);
    group.at = quantiles(group.values);
  }
  const all = quantiles(groups.flatMap((group) => group.values));
  const [low, high] = [all(0.02), all(1)];
  const bestOf = (group) => group.at(search.sign > 0 ? 1 : 0);
  groups.sort((a, b) => (b.values.length > 0) - (a.values.length > 0) || search.sign * ((bestOf(b) ?? 0) - (bestOf(a) ?? 0)));
  return table(`Trials by ${param.name}`, [param.name, "trials", "complete", "best", "median", `spread of the complete, ${formatMetric(low)} to ${formatMetric(high)}`],
    groups.map((group) => [group.name, group.trials.length, group.values.length, formatMetric(bestOf(group)), formatMetric(group.at(0.5)), spreadBox(group, low, high)]), [1, 2, 3, 4]);
}

/** A box plot: least to greatest, the middle half, the median. */
function spreadBox({ values, at }, low, high) {
  if (!values.length) return "";
  const x = (value) => 2 + 196 * Math.min(1, Math.max(0, high > low ? (value - low) / (high - low) : 0.5));
  const [least, first, median, third, most] = [0, 0.25, 0.5, 0.75, 1].map((share) => x(at(share)));
  const text = `${formatMetric(at(0))} to ${formatMetric(at(1))}, half of them ${formatMetric(at(0.25))} to ${formatMetric(at(0.75))}`;
  return el("svg", { class: "spread", viewBox: "0 0 200 16", role: "img", "aria-label": text },
    el("line", { x1: least, x2: most, y1: 8, y2: 8 }), el("rect", { x: first, y: 3, width: Math.max(1, third - first), height: 10, rx: 2 }),
    el("line", { class: "median", x1: median, x2: median, y1: 2, y2: 14 }));
}

function rungTable(search, rungs) {
  const worst = search.sign > 0 ? Math.min : Math.max, best = search.sign > 0 ? Math.max : Math.min;
  const range = (values) => (values.length ? `${formatMetric(worst(...values))} – ${formatMetric(best(...values))}` : "not recorded");
  return table("Where trials were stopped", ["after epoch", "got there", "stopped", "their values", "what they had to reach"],
    rungs.slice(0, 40).map((rung) => [rung.epoch, rung.reached, rung.stopped, range(rung.values), range(rung.bars)]), [1, 2, 3, 4]);
}

function failureTable(search) {
  const kinds = new Map();
  for (const i of search.where((i) => FAILURES.has(search.outcome(i)) || search.outcome(i) === "diverged")) {
    const text = search.outcome(i) === "diverged" ? "the loss became NaN or infinite" : search.error(i);
    const key = `${search.outcome(i)} ${text}`;
    if (!kinds.has(key)) kinds.set(key, { outcome: search.outcome(i), text, trials: [] });
    kinds.get(key).trials.push(i);
  }
  if (!kinds.size) return el("p", { class: "empty" }, "No trial failed.");
  const rows = [...kinds.values()].sort((a, b) => b.trials.length - a.trials.length).slice(0, 50);
  return table("Failures by kind", ["kind", "trials", "first", "what was said", "the whole of it"], rows.map(({ outcome, text, trials }) =>
    [chip(outcome), trials.length, search.trials.number[trials[0]], shorten(text, 400), outcome === "diverged" ? "" : el("code", {}, `${search.folder(trials[0])}/error.txt`)]), [1, 2]);
}

function pairs(list) {
  return el("dl", { class: "pairs" }, list.map(([label, text]) => el("div", {}, el("dt", {}, label), el("dd", {}, text))));
}
