// The search as its content tells it: trials by place, from 0, and what is derived of them.

const OUTCOMES = ["complete", "stopped", "diverged", "out_of_memory", "timed_out", "error", "lost", "infeasible", "duplicate",
  "interrupted", "running", "orphaned"];
const FAILURES = new Set(["error", "out_of_memory", "timed_out", "lost"]);

class Search {
  constructor(content) {
    Object.assign(this, content);
    this.size = this.trials.number.length;
    this.metric = this.search.metrics[0];
    this.sign = this.metric.mode === "max" ? 1 : -1;
    this.places = new Map(this.trials.number.map((number, i) => [number, i]));
    this.complete = this.where((i) => this.outcome(i) === "complete" && this.trials.value[i] !== null);
    this.best = this.search.best === null ? null : this.places.get(this.search.best);
    this.configs = unpack(content.configs);
  }

  where(test) {
    return Array.from({ length: this.size }, (_, i) => i).filter(test);
  }

  outcome(i) {
    return this.trials.outcome.texts[this.trials.outcome.places[i]];
  }

  error(i) {
    return this.trials.error.texts[this.trials.error.places[i]];
  }

  origin(i) {
    return this.trials.origin.texts[this.trials.origin.places[i]];
  }

  isBetter(value, other) {
    return this.sign * (value - other) > 0;
  }

  /** How many trials ended in which way, in the order in which outcomes are told. */
  get outcomes() {
    const counts = new Map(OUTCOMES.map((name) => [name, 0]));
    for (let i = 0; i < this.size; i++) counts.set(this.outcome(i), (counts.get(this.outcome(i)) ?? 0) + 1);
    return [...counts].filter(([, count]) => count);
  }

  /** The value of a parameter as text, "" where its option was not chosen. */
  paramText(param, i) {
    const value = param.values[i];
    return value === null ? "" : param.kind === "choice" ? param.choices[value] : formatNumber(value);
  }

  /** Why a trial ended as it did. */
  reason(i) {
    const outcome = this.outcome(i), epochs = this.trials.epochs[i], after = `after ${plural(epochs, "epoch")}`;
    const at = this.trials.value[i] === null ? "" : ` at ${formatMetric(this.trials.value[i])}`;
    if (outcome === "complete") return `ran all its epochs: ${epochs}`;
    if (outcome === "stopped") return `stopped ${after}${at}; ${this.barText(i)}`;
    if (outcome === "diverged") return `its loss became NaN or infinite ${after}`;
    if (outcome === "infeasible") return "passed over: its model cannot be built, or exceeds a limit";
    if (outcome === "duplicate") return "passed over: it has the config of an earlier trial";
    if (outcome === "orphaned") return `left by a driver that died, ${after}${at}`;
    if (FAILURES.has(outcome)) return `${outcome.replaceAll("_", " ")} ${after}: ${this.error(i)}`;
    return `${outcome} ${after}${at}`;
  }

  barText(i) {
    const bar = this.trials.bar[i];
    if (!bar) return "what it had to reach is not recorded";
    const [, value, places, rivals] = bar;
    if (value === null) return rivals > 1 ? `of the first ${rivals} of its kind to get there none went on` : "the first of its kind to get there does not go on";
    return `it had to reach ${formatMetric(value)}, as ${places} of ${plural(rivals, "trial")} of its kind did`;
  }

  command(i) {
    return `sesemi-search train ${this.search.directory} --trial ${this.trials.number[i]}`;
  }

  folder(i) {
    return `trials/${String(this.trials.number[i]).padStart(4, "0")}`;
  }
}

/** Promises `{base, changes}`, the configs of all trials (see configs.py). */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** Returns a config with nodes replaced by their paths. */
function applyChanges(base, changes) {
  const config = structuredClone(base);
  for (const [path, value] of Object.entries(changes)) {
    const parts = path.split("."), last = parts.pop();
    let node = config;
    for (const part of parts) {
      if (node[part] === null || typeof node[part] !== "object") node[part] = {};
      node = node[part];
    }
    node[last] = value;
  }
  return config;
}

/** Returns a config as YAML. */
function toYaml(value, indent = "") {
  if (value === null || typeof value !== "object") return scalar(value);
  const isList = Array.isArray(value), entries = Object.entries(value);
  if (!entries.length) return isList ? "[]" : "{}";
  if (isList && value.every((each) => each === null || typeof each !== "object")) return `[${value.map(scalar).join(", ")}]`;
  return entries.map(([key, child]) => {
    const head = isList ? `${indent}-` : `${indent}${plainText(key)}:`;
    const isNode = child !== null && typeof child === "object" && Object.keys(child).length > 0;
    const text = toYaml(child, `${indent}  `);
    return isNode && text.startsWith(" ") ? `${head}\n${text}` : `${head} ${text}`;
  }).join("\n");
}

function scalar(value) {
  return typeof value === "string" ? plainText(value) : String(value);
}

function plainText(text) {
  const isPlain = /^[A-Za-z_/][\w ./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text) && !text.endsWith(" ");
  return isPlain ? text : JSON.stringify(text);
}
