// Data quality: every day of a symbol, what is missing in the one that is looked at, and the findings that hold.

import { all, get } from "./api.js";
import { key, kindOf, wordsOf, year } from "./calendar.js";
import { byId, el, failure, fill, message, pairs } from "./dom.js";
import { clock, percent, time, whole } from "./format.js";
import { change, onChange, state } from "./state.js";
import { follow, onLink } from "./stream.js";

const DAY_MS = 86_400_000;
const DAYS = 366;
const SETTLE_MS = 1_000;
const MOST_FINDINGS = 200;
const NAMES = { missing: "missing", no_trade: "no trade", unrecoverable: "lost for good" };
const SEVERITIES = { error: 0, warning: 1, info: 2 };

let rows = [];
let isComplete = false;
let stop = () => {};
let settle = 0;
let symbol = "";
let hasFailed = false;

/** Show data quality whenever it is looked at. */
export function startQuality() {
  onChange((now, before) => {
    if (now.tab !== "quality") return leave();
    if (before.tab !== "quality" || now.symbol !== before.symbol) return enter();
    return now.day === before.day ? undefined : show();
  });
  // What could not be counted while the database was away is counted when it is back.
  onLink((link) => link === "live" && hasFailed && symbol && enter());
  if (state().tab === "quality") enter();
}

function leave() {
  stop();
  symbol = "";
}

async function enter() {
  stop();
  symbol = state().symbol;
  rows = [];
  isComplete = false;
  byId("quality-symbol").textContent = symbol;
  fill(byId("calendar"), message("Counting minutes …"));
  const again = () => {
    clearTimeout(settle);
    settle = setTimeout(() => symbol && load(), SETTLE_MS);
  };
  await load();
  if (symbol === state().symbol) stop = follow({ channel: "quality", symbol }, { rows: (_, type) => type === "change" && again(), reload: again, poll: again });
}

async function load() {
  const mine = symbol;
  try {
    const parameters = rows.length > 0 ? { start: `${rows[0].day}T00:00:00Z` } : {};
    const [days, found] = await Promise.all([get("quality/days", { symbol, ...parameters }), findings()]);
    if (symbol !== mine) return;
    rows = days.items;
    hasFailed = false;
    show();
    list(found);
  } catch (error) {
    hasFailed = true;
    if (symbol === mine) fill(byId("calendar"), failure(error, enter));
  }
}

async function older() {
  const end = Date.parse(`${rows[0].day}T00:00Z`);
  try {
    const { items } = await get("quality/days", { symbol, start: new Date(end - DAYS * DAY_MS).toISOString(), end: new Date(end).toISOString() });
    isComplete = items.length === 0;
    rows = [...items, ...rows];
    show();
  } catch (error) {
    fill(byId("calendar"), failure(error, enter));
  }
}

function show() {
  if (rows.length === 0) {
    fill(byId("quality-sum"));
    fill(byId("calendar"), message(`No minute of ${symbol} is stored yet`, "`python -m collector` writes the first within a minute; `btc import` and `btc backfill` bring the past."));
    fill(byId("day-detail"), el("p", { class: "note" }, "There is no day yet."));
    return;
  }
  sums();
  const years = Map.groupBy ? Map.groupBy(rows, (row) => row.day.slice(0, 4)) : grouped();
  const focused = document.activeElement?.dataset?.day;
  // It may go on before what is loaded: whether it does is known when it was asked for.
  const canBeOlder = !isComplete && rows.length >= DAYS - 1;
  fill(byId("calendar"), [...years].reverse().map(([name, days]) => year(name, days, state().day, choose)), key(),
    canBeOlder ? el("button", { type: "button", onclick: older }, "Earlier years") : null);
  // The newest days are what one looks for, where the screen is too narrow for a year.
  for (const weeks of byId("calendar").querySelectorAll(".weeks")) weeks.scrollLeft = weeks.scrollWidth;
  if (focused) byId("calendar").querySelector(`[data-day="${focused}"]`)?.focus();
  detail();
}

function grouped() {
  const years = new Map();
  for (const row of rows) years.set(row.day.slice(0, 4), [...(years.get(row.day.slice(0, 4)) ?? []), row]);
  return years;
}

function sums() {
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const [expected, missing] = [sum("expected"), sum("missing") + sum("unrecoverable")];
  const incomplete = rows.filter((row) => !["whole", "silent", "open"].includes(kindOf(row))).length;
  const figures = [["stored", percent(expected ? 1 - missing / expected : null, { digits: 3 })], ["minutes", whole(sum("stored"))], ["missing", whole(missing)],
    ["without a trade", whole(sum("no_trade"))], ["days with a gap", `${whole(incomplete)} of ${whole(rows.length)}`]];
  fill(byId("quality-sum"), el("dl", { class: "sums" }, figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
}

/** A square is clicked: its day stays in the address. */
function choose(day) {
  change({ day });
}

async function detail() {
  const { day } = state();
  const row = rows.find((each) => each.day === day);
  if (!row) {
    fill(byId("day-detail"), el("p", { class: "note" }, "Choose a square to see which minutes of its day are missing. Arrow keys move from day to day."));
    return;
  }
  const start = `${day}T00:00:00Z`;
  const end = new Date(Date.parse(start) + DAY_MS).toISOString();
  const ranges = el("div", { class: "ranges" });
  fill(byId("day-detail"), el("p", { class: "said" }, day), el("p", { class: "note" }, wordsOf(row).slice(12)),
    pairs([["expected", whole(row.expected)], ["stored", whole(row.stored)], ["not confirmed yet", whole(row.provisional)],
      ["missing", whole(row.missing)], ["without a trade", whole(row.no_trade)], ["lost for good", whole(row.unrecoverable)]]), ranges);
  if (row.stored === row.expected) return fill(ranges, el("p", { class: "note" }, "No minute is missing."));
  try {
    const { items } = await get("quality/gaps", { symbol, start, end });
    if (state().day === day) fill(ranges, el("table", {}, el("tbody", {}, items.reverse().map(range))));
  } catch (error) {
    fill(ranges, failure(error, detail));
  }
  return undefined;
}

/** A range of minutes; its end is the first minute after it. */
const range = ({ start_time: start, end_time: end, minutes, state: kind }) => el("tr", {},
  el("th", { scope: "row" }, `${clock(start)} – ${clock(end)}Z`), el("td", {}, `${whole(minutes)} min`), el("td", { class: "text" }, NAMES[kind]));

async function findings() {
  const found = await all("quality", { symbol, open: true }, { most: MOST_FINDINGS });
  return found.sort((a, b) => SEVERITIES[a.severity] - SEVERITIES[b.severity] || (b.start_time ?? "").localeCompare(a.start_time ?? ""));
}

function list(found) {
  if (found.length === 0) {
    fill(byId("findings"), message("Nothing is open", "The checks found nothing that still holds."));
    return;
  }
  const head = ["Severity", "What", "Interval", "From", "To, exclusive", "Details"];
  fill(byId("findings"), el("div", { class: "scroll trades", tabindex: "0", role: "region", "aria-label": "Open findings" }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((name) => el("th", { scope: "col", class: "text" }, name)))),
    el("tbody", {}, found.map((each) => el("tr", {}, [el("span", { class: `badge ${each.severity}` }, each.severity), each.kind.replace("_", " "), each.interval,
      time(each.start_time), time(each.end_time), details(each.details)].map((cell) => el("td", { class: "text" }, cell))))))),
    found.length === MOST_FINDINGS ? el("p", { class: "note" }, `The first ${whole(MOST_FINDINGS)}; the API has all.`) : null);
}

/** "minutes 3, live: exposure 1, price 105,176": what a check says, whatever it is made of. */
const details = (given) => Object.entries(given ?? {}).map(([name, value]) => {
  const called = name.replace(/^n_/, "").replaceAll("_", " ");
  if (Array.isArray(value)) return `${called} ${value.map((each) => (isTree(each) ? details(each) : each)).join("; ")}`;
  return isTree(value) ? `${called}: ${details(value)}` : `${called} ${value}`;
}).join(", ");

const isTree = (value) => typeof value === "object" && value !== null;
