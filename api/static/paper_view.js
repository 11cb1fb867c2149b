// One paper account: what it holds and is worth now, what it has done, its curve beside buying and holding, its trades.

import { get } from "./api.js";
import { Curve } from "./curve.js";
import { el, failure, fill, message } from "./dom.js";
import { cards } from "./figures.js";
import { change as signed, day, money, number, percent, price, time, whole } from "./format.js";
import { change } from "./state.js";
import { showTrades } from "./trades.js";

const N_POINTS = 1500;
const share = (value) => percent(value, { digits: 1 });
const earned = (value) => money(value, "exceptZero");

// As figures.js has them of a backtest. The position is of the last decision; its worth is at the newest minute's close.
const LEAD = [
  ["present_equity", "Worth now", money], ["total_return", "Return", signed, true],
  ["buy_and_hold_return", "Buy and hold", signed, true], ["max_drawdown", "Deepest drawdown", (value) => percent(value)],
];
const REST = [
  ["position", "Position", String], ["entry_price", "Entered at", price],
  ["unrealized_pnl", "Open profit", earned, true], ["present_price", "Price now", price],
  ["exposure", "Exposure", share], ["wanted", "Wanted", share],
  ["exposure_time", "Time in the market", share], ["drawdown", "Drawdown now", (value) => percent(value)],
  ["n_trades", "Trades over", whole], ["win_rate", "Trades won", share],
  ["profit_factor", "Profit factor", number], ["expectancy", "A trade earned", earned, true],
  ["fees", "Fees", money], ["funding", "Funding", money],
  ["n_unfilled", "Orders too small", whole], ["n_restarts", "Opened anew", whole],
];

export const nameOf = ({ strategy, interval }) => `${strategy} · ${interval}`;

/** "long 0.0915", "flat". */
export function positionOf({ quantity }) {
  if (quantity === 0) return "flat";
  const size = Math.abs(quantity);
  return `${quantity > 0 ? "long" : "short"} ${size < 100 ? Number(size.toPrecision(4)) : whole(size)}`;
}

/** What stands in an element; `deciding` are the strategies that still decide. */
export class AccountView {
  constructor(element, deciding) {
    Object.assign(this, { element, deciding, shown: "", drawn: "" });
  }

  none() {
    this.shown = "";
    fill(this.element);
  }

  /** Show an account as it is now; the curve and the trades change with its decisions alone. */
  async show(account) {
    const { strategy, symbol, interval } = account;
    const key = [strategy, symbol, interval].join();
    if (key !== this.shown) this.#build(account, key);
    const asked = { symbol, interval };
    try {
      const told = await get(`paper/${strategy}`, asked);
      if (key !== this.shown) return;
      this.#figures(told);
      const version = `${told.started_at} ${told.through} ${told.n_trades} ${told.equity}`;
      if (version === this.drawn) return;
      const { items } = await get(`paper/${strategy}/equity`, { ...asked, points: N_POINTS });
      if (key !== this.shown) return;
      this.curve ??= new Curve(this.place);
      this.curve.draw([{ points: worthOf(told, items), capital: told.config.capital }], holdOf(told, items));
      showTrades(this.trades, `paper/${strategy}/trades`, asked, told.quantity === 0 ? "It has not held a position yet." : "Its first position is not closed yet.");
      this.drawn = version;
    } catch (error) {
      if (key === this.shown) fill(this.state, failure(error));
    }
  }

  #build(account, key) {
    Object.assign(this, { shown: key, drawn: "", curve: null, head: el("div", { class: "card heads" }), since: el("p", { class: "note" }), state: el("div", { class: "results" }), trades: el("div") });
    this.place = el("div", { class: "curve", role: "img", "aria-label": `Worth of ${nameOf(account)} beside buying and holding, and drawdown` });
    const keys = el("span", { class: "note" }, el("span", { class: "key a" }), "account", " ", el("span", { class: "key hold" }), "bought and held");
    fill(this.element, this.head, this.state,
      el("section", { class: "card" }, el("div", { class: "chart-head" }, el("h2", {}, "Worth at each decision"), keys), this.place),
      el("section", { class: "card" }, el("h2", {}, "Trades"), this.trades));
    this.#head(account);
    fill(this.state, message("Loading the account …"));
  }

  #head(account) {
    const { strategy, symbol, interval, config } = account;
    const decisions = el("a", { href: `?tab=market&interval=${interval}&strategy=${strategy}&symbol=${symbol}`, class: "button", onclick: (event) => {
      event.preventDefault();
      change({ tab: "market", interval, strategy });
    } }, "Its decisions");
    const former = this.deciding.has(strategy) ? null : el("span", { class: "badge warning" }, "decides no more");
    fill(this.head, el("div", { class: "head" },
      el("div", {}, el("h1", {}, nameOf(account), " ", former), el("p", { class: "note" }, termsOf(symbol, config)), this.since),
      el("div", { class: "actions" }, former ? null : decisions)));
  }

  #figures(told) {
    const values = { ...told, ...told.results, position: positionOf(told) };
    fill(this.state, el("div", { class: "all-figures" },
      el("dl", { class: "figures lead" }, cards(LEAD, [values])), el("dl", { class: "figures" }, cards(REST, [values]))));
    fill(this.since, `Follows live decisions since ${time(told.started_at)}, the last one known at ${time(told.through)}; it sends no order.`);
    this.element.dataset.worth = told.present_equity;
  }
}

/** "BTC, capital 10,000 at 2×, taker 4.5 bps" */
function termsOf(symbol, { capital, leverage, taker_bps: taker, mode }) {
  const times = leverage === 1 ? "" : ` at ${leverage}×`;
  return `${symbol}, capital ${money(capital).replace(".00", "")}${times}, taker ${taker} bps${mode === "spot" ? ", spot" : ""}`;
}

/** Its worth from the day it was opened to the newest minute that it has been through. */
function worthOf({ started_at: start, through, equity, drawdown, config }, points) {
  const ends = { time: through, equity, drawdown };
  return ascending([{ time: start, equity: config.capital, drawdown: 0 }, ...points, ends]);
}

/** What its capital would be worth in the coin, without costs; null where the market's first price is not known. */
function holdOf({ started_at: start, through, price: last, present_price: now, buy_and_hold_return: gained, config }, points) {
  if (gained === null) return null;
  const first = now / (1 + gained);
  const worth = ascending([{ time: start, price: first }, ...points, ...(last === null ? [] : [{ time: through, price: last }])]);
  return worth.map((row) => ({ time: row.time, equity: config.capital * (row.price / first) }));
}

const ascending = (rows) => rows.filter((row, i) => i === 0 || Date.parse(row.time) > Date.parse(rows[i - 1].time));
