// A calendar of days: a square a day, its colour how much of it is missing. One stop of the Tab key; arrows move in it.

import { el } from "./dom.js";
import { counted, whole } from "./format.js";

const DAY_MS = 86_400_000;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
// Below which share of missing minutes: half an hour, and a quarter of a day.
const FEW = 30 / 1440;
const SOME = 1 / 4;
const STEPS = { ArrowLeft: -7, ArrowRight: 7, ArrowUp: -1, ArrowDown: 1 };
const KEY = [["whole", "whole"], ["silent", "minutes without a trade"], ["few", "up to 30 min missing"], ["some", "up to 6 h"], ["many", "more"], ["gone", "all of it"], ["open", "not over yet"]];

/** Which square a row of /quality/days is. */
export function kindOf(row) {
  const missing = row.missing + row.unrecoverable;
  if (missing > 0) {
    if (missing === row.expected) return "gone";
    return missing / row.expected <= FEW ? "few" : missing / row.expected <= SOME ? "some" : "many";
  }
  if (row.expected < 1440) return "open";
  return row.no_trade > 0 ? "silent" : "whole";
}

/** What a day's row says in words. */
export function wordsOf(row) {
  const parts = [[row.missing, "missing"], [row.unrecoverable, "lost for good"], [row.no_trade, "without a trade"]].filter(([n]) => n > 0);
  const said = parts.map(([n, what]) => `${counted(n, "minute")} ${what}`).join(", ");
  return `${row.day}: ${said || `all ${whole(row.stored)} minutes stored`}`;
}

/** Return a year's squares: rows of /quality/days, ascending; `onChoose(day)`. */
export function year(name, rows, chosen, onChoose) {
  const first = Date.parse(`${rows[0].day}T00:00Z`);
  const monday = first - weekday(first) * DAY_MS;
  const columnOf = (at) => Math.floor((at - monday) / DAY_MS / 7) + 1;
  const squares = rows.map((row) => {
    const at = Date.parse(`${row.day}T00:00Z`);
    const square = el("button", { type: "button", class: `square ${kindOf(row)}`, "data-day": row.day, "aria-pressed": String(row.day === chosen),
      "aria-label": wordsOf(row), title: wordsOf(row), tabindex: row.day === chosen ? "0" : "-1", onclick: () => onChoose(row.day) });
    square.style.gridArea = `${weekday(at) + 2} / ${columnOf(at)}`;
    return square;
  });
  const months = rows.filter((row, i) => row.day.endsWith("-01") || (i === 0 && Number(row.day.slice(8)) < 20)).map((row) => {
    const month = el("span", { class: "month", "aria-hidden": "true" }, MONTHS[Number(row.day.slice(5, 7)) - 1]);
    month.style.gridColumn = String(columnOf(Date.parse(`${row.day}T00:00Z`)));
    return month;
  });
  const weeks = el("div", { class: "weeks", role: "group", "aria-label": `Days of ${name}` }, months, squares);
  if (!squares.some((square) => square.tabIndex === 0)) squares.at(-1).tabIndex = 0;
  weeks.addEventListener("keydown", move);
  return el("div", { class: "year" }, el("h3", {}, name), weeks);
}

/** What the colours mean. */
export const key = () => el("p", { class: "key-row" }, KEY.map(([kind, text]) => el("span", {}, el("span", { class: `square ${kind}` }), text)));

function move(event) {
  const step = STEPS[event.key];
  const squares = [...event.currentTarget.querySelectorAll("button")];
  const next = squares[squares.indexOf(document.activeElement) + step];
  if (!step || !next) return;
  event.preventDefault();
  squares.forEach((square) => (square.tabIndex = square === next ? 0 : -1));
  next.focus();
}

const weekday = (at) => (new Date(at).getUTCDay() + 6) % 7;
