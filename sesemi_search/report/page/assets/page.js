// The page: its sections in order, what its reader has chosen, its colours, and news while the search runs.

// What the reader has chosen; it stays when news come.
const view = {
  selected: null, brushes: new Map(), axes: null, sort: { key: null, down: false }, filter: "", open: new Set(), pinned: null, rows: FIRST_ROWS,
};
const page = { search: null, trials: null };
const DEFAULT_AXES = 8;
const MANY_SLICES = 12;
const POLL_MS = 3000;

function isSelected(trial) {
  return view.selected === null || view.selected[trial] === 1;
}

let isWaiting = false;

/** Shows a new selection, at most once for what is painted together. */
function selectionChanged() {
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    view.rows = FIRST_ROWS;
    page.trials.refresh();
    repaintAll();
  });
}

function clearSelection() {
  view.brushes.clear();
  view.selected = null;
  selectionChanged();
}

/** The sections: an id, a title, a line about it, and what is in it; those without anything are left out. */
function sections(search) {
  const rungs = findRungs(search), hasValues = search.trials.value.some((value) => value !== null);
  const families = search.params.filter((param) => param.family);
  const others = Object.entries(search.trials.others);
  const costs = [
    ["parameters of the model", search.trials.num_params, formatCount],
    ["FLOPs of a forward pass", search.trials.flops, formatCount],
    ["seconds of training", search.trials.seconds, formatNumber],
  ].filter(([, cost]) => search.complete.some((i) => cost[i] !== null));
  return [
    ["final", "Final run", "", search.final.length && pairs(search.final)],
    ["advice", "Advice", "What the trials show, for the next search.", search.advice.length && el("ul", {}, search.advice.map((text) => el("li", {}, text)))],
    ["progress", "Best so far", "Each dot is a complete trial; the dashed line is the experiment's own config.",
      search.complete.length && el("div", { class: "pair" }, part("over trials", bestSoFar(search, false)), part("over time", bestSoFar(search, true)))],
    ["curves", "Learning curves", "Coloured by outcome; the thick line is the best trial, a tick on a rung what a stopped trial had to reach. Drag to zoom, double-click to go back, click a trial to open it.",
      hasValues && [outcomeBar(search), learningCurves(search, rungs).host, rungs.length ? rungTable(search, rungs) : null]],
    ["parallel", "Parallel coordinates", "A line is a trial, the bluer the better. Drag along an axis to select; all figures and the table follow.", hasValues && search.params.length && parallelSection(search)],
    ["importance", "Importance", "How differently a parameter is distributed among the best quarter of the complete trials and among all of them (PED-ANOVA).", search.params.length && importanceTable(search)],
    ["slices", "Slices", `${search.metric.name} over each parameter, the most important first. The ring is the best trial.`, hasValues && search.params.length && slicesSection(search)],
    ["families", "Families", "Of each option the trials, and how its complete ones are spread.", families.length && families.map((param) => part(param.name, familyTable(search, param)))],
    ["objectives", "Objectives", `The complete trials; on the line those that no other dominates in these two. Of all ${1 + others.length} objectives the front is ${plural(search.front.length, "trial")}: ${shorten(search.front.join(", "), 200)}.`,
      others.length && search.complete.length && el("div", { class: "pair" }, search.search.metrics.slice(1).map(({ name, mode }) =>
        part(name, costPlot(search, name, search.trials.others[name], formatNumber, mode === "max" ? -1 : 1))))],
    ["costs", "What accuracy costs", "The complete trials; on the line the Pareto front. The ring is the best trial.",
      search.complete.length && el("div", { class: "triple" }, costs.map(([label, cost, format]) => part(label, costPlot(search, label, cost, format))))],
    ["timeline", "Timeline", "Which trial was in which slot; pauses of the search are left out.", search.trials.slot.some((slot) => slot !== null) && timeline(search).host],
    ["failures", "Failures", "", search.size && failureTable(search)],
    ["trials", "Trials", "Best first, complete ones before all others. Click a heading to sort, a number for its config and its command.", trialsSection(search)],
    ["provenance", "Where it came from", "", pairs(search.provenance)],
  ].filter(([, , , content]) => content);
}

/** A part of a section, under a title of its own. */
function part(title, content) {
  return el("div", { class: "part" }, el("h3", {}, title), content instanceof Figure ? content.host : content);
}

function trialsSection(search) {
  page.trials = trialTable(search);
  return page.trials.node;
}

function parallelSection(search) {
  const axes = parallelAxes(search);
  if (axes.length < 2) return null;
  const known = new Set(axes.map((axis) => axis.name));
  view.axes ??= new Set([...axes.slice(0, -1).slice(0, DEFAULT_AXES).map((axis) => axis.name), axes.at(-1).name]);
  for (const name of view.brushes.keys()) if (!known.has(name)) view.brushes.delete(name);
  const place = el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Parallel coordinates" });
  let figure = null;
  const draw = () => {
    figure?.remove();
    figure = parallelPlot(search, axes.filter((axis) => view.axes.has(axis.name)));
    place.replaceChildren(figure.host);
    if (view.selected !== null) clearSelection();
  };
  const choose = (name) => el("label", {}, el("input", {
    type: "checkbox", checked: view.axes.has(name),
    onchange: (event) => { view.axes[event.target.checked ? "add" : "delete"](name); draw(); },
  }), name);
  draw();
  return [place, el("details", {}, el("summary", {}, `Axes: ${view.axes.size} of ${axes.length}`), el("div", { class: "choices" }, axes.map((axis) => choose(axis.name))))];
}

function slicesSection(search) {
  const params = [...search.params].sort((a, b) => (b.importance ?? -1) - (a.importance ?? -1));
  const spread = quantiles(search.trials.value);
  const range = rangeOf(search.sign > 0 ? [spread(0.05), spread(1)] : [spread(0), spread(0.95)]);
  const grid = (some) => el("div", { class: "slices" }, some.map((param) => part(param.name, slice(search, param, range))));
  const rest = params.slice(MANY_SLICES);
  return [grid(params.slice(0, MANY_SLICES)), rest.length ? el("details", {}, el("summary", {}, `${rest.length} more`), grid(rest)) : null];
}

/** Draws the whole page of a content, in the place of the one that was. */
function draw(content) {
  for (const figure of [...figures]) figure.remove();
  const search = new Search(content), facts = search.search;
  page.search = search;
  view.selected = null;
  view.brushes.clear();
  readPalette();
  const made = sections(search);
  document.getElementById("top").replaceChildren(
    el("div", { class: "title" }, el("p", { class: "kind" }, "search report"), el("h1", {}, facts.name), el("p", { class: "state" }, el("span", { class: `chip ${facts.state}` }, facts.state),
      ` ${facts.began ? `began ${facts.began}, ` : ""}as of ${facts.written}`)),
    themeButton());
  document.getElementById("contents").replaceChildren(el("ul", {}, made.map(([id, title]) => el("li", {}, el("a", { href: `#${id}` }, title)))));
  document.getElementById("main").replaceChildren(
    el("section", { id: "summary", "aria-label": "Summary" }, keyFigures(search), outcomeBar(search), facts.gain ? el("p", { class: "gain" }, sentence(facts.gain)) : null,
      search.best === null ? null : [el("h2", {}, `Best config, trial ${search.trials.number[search.best]}`), bestParams(search), el("pre", { class: "command", tabindex: 0, "aria-label": "Command that trains the best" }, `sesemi-search train ${facts.directory}`)]),
    ...made.map(([id, title, about, content]) => el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), about ? el("p", { class: "about" }, about) : null, content)));
  document.documentElement.dataset.ready = "";
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

const THEMES = { "": "Theme: auto", light: "Theme: light", dark: "Theme: dark" };

function themeButton() {
  const root = document.documentElement;
  const button = el("button", {
    type: "button", class: "theme",
    onclick: () => {
      const names = Object.keys(THEMES), next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
      remember(next);
      setTheme(next);
      button.textContent = THEMES[next];
      redrawAll();
    },
  }, THEMES[root.dataset.theme ?? ""]);
  return button;
}

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
}

// Where the page has no storage, inside another page say, a theme lasts as long as the page.
function remember(name) {
  try {
    localStorage.setItem("sesemi-search-theme", name);
  } catch { /* no storage */ }
}

function remembered() {
  try {
    return localStorage.getItem("sesemi-search-theme") ?? "";
  } catch {
    return "";
  }
}

/** Asks for news for ever; a server that does not answer has ended, or will again. */
async function follow() {
  for (;;) {
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (document.hidden || view.brushes.size) continue;  // drawing anew would take what is brushed away
    try {
      const content = await (await fetch(`content.json?seen=${page.search.version}`)).json();
      if (content === null) continue;
      const top = scrollY, { id, selectionStart, selectionEnd } = document.activeElement;
      draw(content);
      if (id === "filter") {
        const filter = document.getElementById(id);
        filter.focus({ preventScroll: true });
        filter.setSelectionRange(selectionStart, selectionEnd);
      }
      scrollTo({ top, behavior: "instant" });
    } catch { /* asked again */ }
  }
}

setTheme(remembered());
draw(JSON.parse(document.getElementById("content").textContent));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
matchMedia("print").addEventListener("change", () => { redrawAll(); showAll(); });
addEventListener("beforeprint", () => { redrawAll(); showAll(); });
addEventListener("afterprint", redrawAll);
if (document.documentElement.dataset.live !== undefined) follow();
