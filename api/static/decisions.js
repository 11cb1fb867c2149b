// Decisions of one chart: loaded with its candles, drawn as markers, told in words beside it.

import { all, get } from "./api.js";
import { byId, el, fill, message, pairs } from "./dom.js";
import { price, seconds, time } from "./format.js";
import { stepOf } from "./candles.js";
import { confidence, decidedAfter, exposure, short, snapshotRows, verb, way } from "./words.js";

const N_LISTED = 40;

/** Decisions that changed something, ascending; `strategy` may be "" for all. */
export class Decisions {
  constructor(symbol, interval, strategy, signal) {
    Object.assign(this, { symbol, interval, strategy, signal, rows: [], loadedFrom: null });
  }

  /** Load what was decided on candles from a time on, up to what is loaded already. */
  async load(start) {
    const older = await all("decisions", { ...this.#which(), start, end: this.loadedFrom }, { signal: this.signal });
    this.loadedFrom = start;
    this.take(older);
  }

  /** Load the newest ones again, for a page that has no stream. */
  async refresh() {
    const page = await get("decisions", { ...this.#which(), order: "desc", limit: 20 });
    this.take(page.items);
  }

  /** Take in rows that are new or have changed; HOLD changes nothing and is not drawn. */
  take(rows) {
    const wanted = rows.filter((row) => !this.strategy || row.strategy === this.strategy);
    if (wanted.length === 0) return false;
    const known = new Map(this.rows.map((row) => [row.id, row]));
    for (const row of wanted.map(named)) {
      if (row.signal === "HOLD") known.delete(row.id);
      else known.set(row.id, row);
    }
    this.rows = [...known.values()].sort((a, b) => a.at - b.at || a.seq - b.seq);
    return true;
  }

  find(id) {
    return this.rows.find((row) => row.id === id);
  }

  /** Return the decision so many places from another; without one, the newest. */
  beside(id, step) {
    const i = this.rows.findIndex((row) => row.id === id);
    return i < 0 ? this.rows.at(-1) : this.rows[Math.min(this.rows.length - 1, Math.max(0, i + step))];
  }

  /** What a strategy came to at each candle: of a reversal the new position. */
  results() {
    return [...new Map(this.rows.map((row) => [`${row.at} ${row.strategy}`, row])).values()];
  }

  /** Return markers from a time on: one for all that say the same at a candle. */
  markers(from) {
    const together = new Map();
    for (const row of this.results().filter((each) => each.at >= from)) {
      const key = `${row.at} ${row.signal}`;
      together.set(key, [...(together.get(key) ?? []), row]);
    }
    return [...together.values()].map((rows) => ({
      id: rows[0].id, ids: rows.map((row) => row.id), at: rows[0].at, way: way(rows[0].signal),
      text: rows.length > 1 ? `${short(rows[0].signal)} ×${rows.length}` : short(rows[0].signal),
    }));
  }

  #which() {
    return { symbol: this.symbol, interval: this.interval, strategy: this.strategy, holds: false };
  }
}

/** Tell one decision in words, with the snapshot that it rests on. */
export function showDecision(row, close) {
  if (!row) {
    fill(byId("decision"), el("p", { class: "note" }, "Choose an arrow on the chart, or ← and → in it, to see what a decision rests on."));
    return;
  }
  fill(byId("decision"),
    el("p", { class: `said ${way(row.signal)}` }, `${verb(row.signal)} at ${price(row.price)}`),
    el("p", { class: "note" }, `${row.strategy} on ${row.interval}, ${decidedAfter(row.decided_at, closeOf(row))}`),
    pairs([
      ["candle", time(row.time)], ["known at", time(closeOf(row))], ["signal", row.signal],
      ["exposure", exposure(row.exposure)],
      ["confidence", confidence(row.confidence)],
      ...(row.revision > 0 ? [["said anew", `${row.revision} ×`]] : []),
    ]),
    snapshot(row, close));
}

function snapshot(row, close) {
  const rows = snapshotRows(row.indicator_snapshot, close ?? row.price);
  return el("div", { class: "snapshot" }, el("h3", {}, "What it saw, and how far from the close"),
    el("table", {}, el("tbody", {}, rows.map(([name, value, far]) => el("tr", {},
      el("th", { scope: "row" }, name), el("td", {}, value), el("td", { class: "faint" }, far))))));
}

/** "04-20 02:00", and with its year where that is another one. */
function shortTime(value) {
  const text = time(value).slice(0, 16);
  return text.startsWith(String(new Date().getUTCFullYear())) ? text.slice(5) : text;
}

/** List the latest decisions; `onChoose(id)`. */
export function listDecisions(decisions, chosen, onChoose, why) {
  const rows = decisions.results().slice(-N_LISTED).reverse();
  if (rows.length === 0) {
    fill(byId("decisions"), message("No decision here yet", why));
    return;
  }
  const severalStrategies = new Set(rows.map((row) => row.strategy)).size > 1;
  fill(byId("decisions"), el("ul", { class: "feed" }, rows.map((row) => el("li", {},
    el("button", { type: "button", "aria-pressed": String(row.id === chosen), "data-id": row.id, onclick: () => onChoose(row.id) },
      el("time", { datetime: row.time, title: time(row.time) }, shortTime(row.time)),
      el("span", { class: way(row.signal) }, severalStrategies ? el("b", {}, `${row.strategy} `) : "", short(row.signal)),
      el("span", { class: "number" }, price(row.price)))))));
}

const closeOf = (row) => row.close_time ?? new Date((row.at + stepOf(row.interval)) * 1000).toISOString();
const named = (row) => ({ ...row, at: seconds(row.time), id: `${row.time}|${row.strategy}|${row.seq}` });
