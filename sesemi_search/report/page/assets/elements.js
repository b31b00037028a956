"use strict";
// Elements and how values read. What comes from the search is put in as text, here and everywhere, never as HTML.

const SVG = new Set(["svg", "rect", "line", "circle", "path"]);

/** Makes an element: attributes, listeners as `onclick`, then children; null ones do not count. */
function el(name, attributes = {}, ...children) {
  const space = SVG.has(name) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const node = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== "").map(asNode));
  return node;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/** Makes a table whose head says what its columns are. Cells are texts or elements; `numeric` ones stand to the right. */
function table(label, head, rows, numeric = []) {
  const side = (i) => (numeric.includes(i) ? "number" : null);
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    el("table", {},
      el("thead", {}, el("tr", {}, head.map((text, i) => el("th", { scope: "col", class: side(i) }, text)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) =>
        el(i ? "td" : "th", { scope: i ? null : "row", class: side(i) }, cell)))))));
}

function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function formatMetric(value) {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) >= 100 && Math.abs(value) < 1e9 && Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) < 1e4 ? value.toFixed(4) : value.toExponential(3);
}

function formatNumber(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return Math.abs(value) < 1e6 ? String(value) : formatCount(value);
  return Math.abs(value) < 1e-2 || Math.abs(value) >= 1e5 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

function formatCount(value) {
  if (value === null || value === undefined) return "–";
  for (const [letter, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${letter}`;
  }
  return String(Number(value.toPrecision(3)));
}

function formatSeconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 59.95) return `${value.toFixed(1)}s`;
  const rounded = Math.round(value), [hours, minutes, seconds] = [Math.floor(rounded / 3600), Math.floor(rounded / 60) % 60, rounded % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

function shorten(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
