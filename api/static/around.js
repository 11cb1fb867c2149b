// What stands around the chart: the day, the candle under the cursor, what the indicators say. Draws what it is given.

import { byId, el, fill, message } from "./dom.js";
import { amount, change as signed, direction, number, percent, price, time, whole } from "./format.js";

/** Show the last 24 hours, the answer of /stats. */
export function showDay(stats) {
  const rows = [
    ["24 h", el("span", { class: direction(stats.change) }, signed(stats.change))], ["high", price(stats.high)], ["low", price(stats.low)],
    ["volume", amount(stats.volume)], ["trades", amount(stats.trades)], ["volatility", percent(stats.volatility)],
    ["minutes", `${whole(stats.quality.stored)} of ${whole(stats.quality.expected)}`],
  ];
  fill(byId("day"), rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** Show the candle at a time, or the newest one where that is null, with the indicators that are drawn. */
export function showLegend({ candles, overlays }, at) {
  const { rows } = candles;
  const row = at === null ? rows.at(-1) : rows.find((each) => each.at === at);
  if (!row) return fill(byId("legend"), at === null ? "" : `${time(at)} no candle: minutes are missing`);
  const part = (name, value, cls) => el("span", { class: cls }, name ? el("b", {}, `${name} `) : "", value);
  const moved = row.close / row.open - 1;
  return fill(byId("legend"), part("", time(row.time)), part("O", price(row.open)), part("H", price(row.high)), part("L", price(row.low)),
    part("C", price(row.close)), part("", signed(moved), direction(moved)), part("V", amount(row.volume)),
    overlays.valuesAt(row.at).map(({ label, value, dot }) => part(label, value === undefined ? "–" : shownValue(value, row.close), `series dot-${dot}`)));
}

/** Show what the indicators of an interval say, the items of /ta. */
export function showWords(interval, told) {
  fill(byId("words"), told.length === 0 ? message(`No indicator on ${interval}`, "`indicators` in config.yaml says which are kept for what.") : readings(told));
}

function readings(told) {
  return el("dl", { class: "words" }, told.map((row) => el("div", {},
    el("dt", {}, row.name, el("span", { class: "value" }, row.name in row.values ? shownValue(row.values[row.name], row.close) : "–")),
    el("dd", {}, row.says ?? "Not warmed up yet."))));
}

const shownValue = (value, close) => (value > close / 5 ? price(value) : number(value, Math.abs(value) < 1 ? 4 : 2));
