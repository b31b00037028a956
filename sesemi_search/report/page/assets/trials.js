// The table of trials: sorted by any column, filtered by words and comparisons, a row opens to its config.

const FIRST_ROWS = 50, MORE_ROWS = 200;

function trialColumns(search) {
  const { trials } = search;
  const others = Object.entries(trials.others).filter(([name]) => name !== "num_params" && name !== "flops");
  return [
    { name: "trial", value: (i) => trials.number[i], text: (i) => String(trials.number[i]) },
    { name: "outcome", value: (i) => search.outcome(i), text: (i) => chip(search.outcome(i)), words: true },
    { name: search.metric.name, value: (i) => trials.value[i], text: (i) => formatMetric(trials.value[i]) },
    ...others.map(([name, all]) => ({ name, value: (i) => all[i], text: (i) => formatMetric(all[i]) })),
    { name: "epochs", value: (i) => trials.epochs[i], text: (i) => String(trials.epochs[i]) },
    { name: "seconds", value: (i) => trials.seconds[i], text: (i) => formatSeconds(trials.seconds[i]) },
    ...search.params.map((param) => ({
      name: param.name, words: param.kind === "choice",
      value: (i) => (param.kind === "choice" && param.values[i] !== null ? param.choices[param.values[i]] : param.values[i]),
      text: (i) => shorten(search.paramText(param, i), 40) || "–",
    })),
    { name: "params", value: (i) => trials.num_params[i], text: (i) => formatCount(trials.num_params[i]) },
    { name: "FLOPs", value: (i) => trials.flops[i], text: (i) => formatCount(trials.flops[i]) },
  ];
}

/** Returns a test of a trial: each word `name=text`, `name>1`, `name<1`, or a text that one of its cells has. */
function parseFilter(text, columns) {
  const byName = new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  const tests = text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const [, name, sign, wanted] = word.match(/^(.+?)(>=|<=|=|>|<)(.*)$/) ?? [];
    const column = byName.get(name);
    if (!column) return (i) => columns.some((each) => each.words && String(each.value(i) ?? "").toLowerCase().includes(word)) || String(columns[0].value(i)) === word;
    return (i) => {
      const value = column.value(i), number = Number(wanted);
      if (value === null || value === undefined || wanted === "") return wanted === "";
      if (sign === "=") return column.words ? String(value).toLowerCase().replaceAll(" ", "_").includes(wanted) : value === number;
      return { ">": value > number, "<": value < number, ">=": value >= number, "<=": value <= number }[sign];
    };
  });
  return (i) => tests.every((test) => test(i));
}

/** Best first: complete trials before all others, whose values are not to be compared with theirs. */
function rank(search) {
  const { value, number } = search.trials;
  const key = (i) => [search.outcome(i) === "complete" ? 0 : 1, value[i] === null ? 1 : 0, value[i] === null ? 0 : -search.sign * value[i], number[i]];
  const keys = Array.from({ length: search.size }, (_, i) => key(i));
  return keys.map((_, i) => i).sort((a, b) => keys[a].reduce((order, part, k) => order || part - keys[b][k], 0));
}

function sorted(search, columns) {
  const { key, down } = view.sort;
  const column = columns.find((each) => each.name === key);
  if (!column) return rank(search);
  const has = (i) => column.value(i) !== null && column.value(i) !== undefined;
  const all = search.where(() => true), sign = down ? -1 : 1;
  const order = (a, b) => (column.value(a) < column.value(b) ? -sign : column.value(a) > column.value(b) ? sign : a - b);
  return [...all.filter(has).sort(order), ...all.filter((i) => !has(i))];
}

/** The table with its filter; `refresh` fills it again when what is selected, sorted or opened has changed. */
function trialTable(search) {
  const columns = trialColumns(search);
  const body = el("tbody"), head = el("tr"), count = el("p", { class: "muted", role: "status" });
  const more = el("button", { type: "button", onclick: () => { view.rows += MORE_ROWS; refresh(); } });
  const all = el("button", { type: "button", onclick: () => { view.rows = Infinity; refresh(); } }, "Show all");
  const clear = el("button", { type: "button", onclick: clearSelection }, "Clear the selection");
  const filter = el("input", {
    type: "search", id: "filter", placeholder: "lr>0.1 outcome=complete", value: view.filter, spellcheck: "false", autocomplete: "off",
    oninput: () => { [view.filter, view.rows] = [filter.value, FIRST_ROWS]; refresh(); },
  });
  function refresh() {
    head.replaceChildren(...columns.map((column) => sortHeader(column, refresh)));
    const passes = parseFilter(view.filter, columns);
    const rows = sorted(search, columns).filter((i) => isSelected(i) && passes(i));
    const pinned = view.pinned === null ? undefined : search.places.get(view.pinned);
    count.textContent = rows.length === search.size ? plural(rows.length, "trial") : `${plural(rows.length, "trial")} of ${search.size.toLocaleString("en")}`;
    const shown = rows.slice(0, view.rows);
    if (pinned !== undefined && !shown.includes(pinned)) shown.unshift(pinned);
    body.replaceChildren(...shown.flatMap((i) => trialRows(search, columns, i, refresh)));
    more.hidden = all.hidden = rows.length <= view.rows;
    more.textContent = `Show ${Math.min(MORE_ROWS, Math.max(0, rows.length - view.rows))} more`;
    clear.hidden = view.selected === null;
  }
  refresh();
  const node = el("div", {},
    el("div", { class: "controls" }, el("label", { for: "filter" }, "Filter"), filter, clear, count),
    el("div", { class: "scroll trials", tabindex: 0, role: "region", "aria-label": "Trials" }, el("table", {}, el("thead", {}, head), body)),
    el("div", { class: "controls" }, more, all));
  return { node, refresh };
}

function sortHeader(column, refresh) {
  const isKey = view.sort.key === column.name;
  const press = () => {
    view.sort = { key: column.name, down: isKey ? !view.sort.down : !column.words };
    refresh();
  };
  const arrow = el("span", { "aria-hidden": "true" }, isKey ? (view.sort.down ? " ↓" : " ↑") : "");
  return el("th", { scope: "col", class: column.words ? null : "number", "aria-sort": isKey ? (view.sort.down ? "descending" : "ascending") : null },
    el("button", { type: "button", onclick: press }, column.name, arrow));
}

/** The row of a trial, and the one below it with its config while that is open. */
function trialRows(search, columns, i, refresh) {
  const number = search.trials.number[i], isOpen = view.open.has(number);
  const toggle = () => {
    view.open[isOpen ? "delete" : "add"](number);
    refresh();
    document.getElementById(`toggle-${number}`)?.focus();
  };
  const button = el("button", { type: "button", id: `toggle-${number}`, class: "toggle", "aria-expanded": String(isOpen), "aria-label": `Trial ${number}`, onclick: toggle }, String(number));
  const row = el("tr", { id: `trial-${number}`, class: i === search.best ? "best" : null },
    columns.map((column, k) => (k ? el("td", { class: column.words ? null : "number" }, column.text(i)) : el("th", { scope: "row", class: "number" }, button))));
  return isOpen ? [row, el("tr", { class: "detail" }, el("td", { colspan: columns.length }, trialDetail(search, i)))] : [row];
}

function trialDetail(search, i) {
  const { trials } = search;
  const origin = { baseline: "the experiment's own config", enqueued: "enqueued", sampled: "sampled" }[search.origin(i)] ?? search.origin(i);
  const node = trials.node.texts[trials.node.places[i]];
  const facts = [["how it ended", search.reason(i)], ["parameters", origin], ["attempts", String(trials.attempts[i])], ["on", node],
    ["folder", `${search.search.directory}/${search.folder(i)}`]].filter(([, text]) => text);
  const differs = el("pre", { tabindex: 0, "aria-label": "What its config has instead of the experiment's" }), whole = el("pre", { tabindex: 0, "aria-label": "Its whole config" });
  search.configs.then(({ base, changes }) => {
    const own = changes[i];
    differs.textContent = own === null ? "It has no config: its driver died while it asked for its parameters." : toYaml(own) || "nothing";
    whole.textContent = own === null ? "" : toYaml(applyChanges(base, own));
  });
  return el("div", { class: "inside" }, pairs(facts),
    el("h3", {}, "Run it again"), el("pre", { class: "command", tabindex: 0, "aria-label": "Command" }, search.command(i)),
    el("h3", {}, "What it has instead of the experiment's own config"), differs,
    el("details", {}, el("summary", {}, "The whole config, as it is written"), whole));
}

/** Shows a trial in the table, opened; at its head, where what is shown of the table does not have it. */
function openTrial(search, i) {
  const number = search.trials.number[i];
  view.open.add(number);
  view.pinned = number;
  showTip(search, null);
  page.trials.refresh();
  const row = document.getElementById(`trial-${number}`);
  row.scrollIntoView({ block: "center" });
  document.getElementById(`toggle-${number}`).focus({ preventScroll: true });
}
