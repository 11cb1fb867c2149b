// The candles of one symbol and interval: the newest first, older ones as they are asked for, new ones as they come.

import { all, get } from "./api.js";
import { iso, seconds } from "./format.js";

const FIRST = 1500;
const MORE = 3000;
// A longer hole is drawn as so many empty places.
const LONGEST_HOLE = 300;

/** Rows as the API has them, with `at`: the open in Unix seconds. Ascending, no two of the same time. */
export class Candles {
  constructor(symbol, interval, signal) {
    Object.assign(this, { symbol, interval, signal, rows: [], isComplete: false });
  }

  get first() {
    return this.rows[0];
  }

  get last() {
    return this.rows.at(-1);
  }

  /** Load the newest. */
  async load() {
    this.rows = (await this.#before(null, FIRST)).reverse();
    return this;
  }

  /** Load older ones; returns how many there were. */
  async loadOlder() {
    if (this.isComplete || !this.first) return 0;
    const older = await this.#before(this.first.time, MORE);
    this.rows = [...older.reverse(), ...this.rows];
    return older.length;
  }

  /** Take in a row that is new or has changed; returns whether it is the last one, and so cheap to draw. */
  put(row) {
    const each = withTime(row);
    let i = this.rows.length;
    while (i > 0 && this.rows[i - 1].at > each.at) i -= 1;
    const known = i > 0 && this.rows[i - 1].at === each.at;
    this.rows.splice(known ? i - 1 : i, known ? 1 : 0, each);
    return each === this.last;
  }

  /** Return the rows from the newest known one on, for a page that has no stream. */
  async since(last) {
    const page = await get("candles", { symbol: this.symbol, interval: this.interval, start: last ? iso(last) : null, order: "desc", limit: 500 });
    return page.items.reverse();
  }

  /** Return what a chart draws: missing candles are empty places, because nothing is invented. */
  drawn() {
    const step = stepOf(this.interval);
    const points = [];
    for (const row of this.rows) {
      const before = points.at(-1)?.time ?? row.at - step;
      const n = step ? Math.min(LONGEST_HOLE, Math.round((row.at - before) / step) - 1) : 0;
      for (let i = n; i > 0; i -= 1) points.push({ time: row.at - i * step });
      points.push(point(row));
    }
    return points;
  }

  async #before(end, most) {
    const parameters = { symbol: this.symbol, interval: this.interval, end, order: "desc" };
    const rows = await all("candles", parameters, { most, signal: this.signal });
    this.isComplete = rows.length < most;
    return rows.map(withTime);
  }
}

/** A row as the chart library wants it. */
export const point = (row) => ({ time: row.at, open: row.open, high: row.high, low: row.low, close: row.close });

const withTime = (row) => ({ ...row, at: seconds(row.time) });

/** Seconds from one candle to the next; 0 for months, which are not all as long. */
export function stepOf(interval) {
  const unit = { m: 60, h: 3600, d: 86_400, w: 604_800 }[interval.at(-1)] ?? 0;
  return unit * Number.parseInt(interval, 10);
}
