// Decisions in words. Pure.

import { change, duration, number, percent, price, whole } from "./format.js";

const VERBS = {
  OPEN_LONG: "Opened long", OPEN_SHORT: "Opened short", CLOSE_LONG: "Closed the long", CLOSE_SHORT: "Closed the short",
  HOLD: "Changed nothing",
};
const SHORT = { OPEN_LONG: "long", OPEN_SHORT: "short", CLOSE_LONG: "close long", CLOSE_SHORT: "close short", HOLD: "hold" };
// What a snapshot says of the candle itself: how many of its minutes there were.
const MINUTES = ["minutes", "expected_minutes"];

export const verb = (signal) => VERBS[signal] ?? signal;
export const short = (signal) => SHORT[signal] ?? signal;

/** Which way a signal points: up, down, or nowhere. */
export const way = (signal) => (signal === "OPEN_LONG" ? "up" : signal === "OPEN_SHORT" ? "down" : "");

/** "all long", "flat", "half short" of a wanted exposure. */
export function exposure(value) {
  if (!value) return "flat";
  const side = value > 0 ? "long" : "short";
  const size = Math.abs(value);
  return size === 1 ? `all ${side}` : `${percent(size, { digits: 0 })} ${side}`;
}

/** How sure a strategy is: "62% (fairly sure)". */
export function confidence(value) {
  if (value === null || value === undefined) return "–";
  const word = value >= 0.75 ? "sure" : value >= 0.4 ? "fairly sure" : value > 0 ? "hardly sure" : "not at all sure";
  return `${percent(value, { digits: 0 })} (${word})`;
}

/** Rows of a snapshot: name, value, and how far from the close where it is a price beside it. */
export function snapshotRows(snapshot, close) {
  const { minutes, expected_minutes: expected } = snapshot ?? {};
  const rows = Object.entries(snapshot ?? {}).filter(([name]) => !MINUTES.includes(name)).map(([name, value]) => {
    if (typeof value !== "number") return [name, String(value ?? "none yet"), ""];
    const isPrice = value > close / 3 && value < close * 3;
    const far = isPrice && !name.endsWith("close") ? change(value / close - 1) : "";
    return [name, isPrice ? price(value) : number(value, Math.abs(value) < 10 ? 4 : 2), far];
  });
  return minutes === undefined ? rows : [...rows, ["minutes", expected ? `${whole(minutes)} of ${whole(expected)}` : whole(minutes), ""]];
}

/** "decided 3 s after the close". */
export function decidedAfter(decidedAt, closeTime) {
  const late = (Date.parse(decidedAt) - Date.parse(closeTime)) / 1000;
  return Number.isFinite(late) && late >= 0 && late < 3600 ? `decided ${duration(late)} after the close` : "decided later, from history";
}
