// Figures as cards: of a backtest, of two side by side, of an account. What each means is in docs/backtests.md.

import { el } from "./dom.js";
import { change, direction, duration, money, number, percent, whole } from "./format.js";

const DAY_SECONDS = 86_400;
const days = (value) => duration(value === null || value === undefined ? value : value * DAY_SECONDS);
const share = (value) => percent(value, { digits: 1 });

// Result, what it is called, how it is shown, and whether its sign has a colour.
const LEAD = [
  ["total_return", "Return", change, true], ["cagr", "Return a year", change, true],
  ["max_drawdown", "Deepest drawdown", (value) => percent(value)], ["sharpe", "Sharpe", number],
];
const REST = [
  ["final_equity", "Equity at the end", money], ["buy_and_hold_return", "Buy and hold", change, true],
  ["n_trades", "Trades", whole], ["win_rate", "Trades won", share],
  ["profit_factor", "Profit factor", number], ["expectancy", "A trade earned", (value) => money(value, "exceptZero"), true],
  ["sortino", "Sortino", number], ["calmar", "Calmar", number],
  ["max_drawdown_days", "Longest drawdown", days], ["exposure_time", "Time in the market", share],
  ["fees_paid", "Fees", money], ["funding_paid", "Funding", money],
  ["slippage_paid", "Slippage", money], ["turnover", "Turnover", (value) => `${number(value, 1)} ×`],
  ["n_liquidations", "Liquidations", whole], ["n_missing_minutes", "Minutes missing", whole],
];

/** Return the cards of one backtest's results, or of two. */
export function figures(results) {
  return el("div", { class: results.length > 1 ? "all-figures two" : "all-figures" },
    el("dl", { class: "figures lead" }, cards(LEAD, results)), el("dl", { class: "figures" }, cards(REST, results)));
}

/** Return a card for each of [result, what it is called, how it is shown, whether its sign has a colour]. */
export function cards(given, results) {
  return given.map(([key, name, shown, isSigned = false]) => el("div", {}, el("dt", {}, name),
    el("dd", {}, results.map((result, i) => value(result[key], shown, isSigned, results.length > 1 ? "ab"[i] : "")))));
}

function value(given, shown, isSigned, letter) {
  const mark = letter && el("span", { class: `key ${letter}`, "aria-hidden": "true" });
  const text = given === null || given === undefined ? "–" : shown(given);
  return el("span", { class: isSigned ? direction(given) : "" }, mark, text);
}
