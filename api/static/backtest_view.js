// One backtest as it stands, or two that are finished, side by side.

import { get, remove } from "./api.js";
import { Curve } from "./curve.js";
import { el, failure, fill, message } from "./dom.js";
import { figures } from "./figures.js";
import { day, money, percent } from "./format.js";
import { showTrades } from "./trades.js";

const N_POINTS = 1500;

export const isOpen = (backtest) => backtest.status === "queued" || backtest.status === "running";
export const nameOf = ({ strategy, interval, config }) => `${strategy}${parametersOf(config)} · ${interval}`;

function parametersOf(config) {
  const given = Object.entries(config?.parameters ?? {}).map(([name, value]) => `${name} ${value}`);
  return given.length > 0 ? ` (${given.join(", ")})` : "";
}

/** What stands in an element: `onGone(id)` when a backtest was removed, `onCompare()` ends a comparison. */
export class BacktestView {
  constructor(element, { onGone, onCompare }) {
    Object.assign(this, { element, onGone, onCompare, shown: "" });
  }

  none() {
    this.shown = "";
    fill(this.element, el("div", { class: "card" }, message("No backtest is chosen", "Choose one of the list, or start one: its curve, figures and trades appear here.")));
  }

  /** Show these; what is shown already stays as it is. */
  show(backtests) {
    const key = backtests.map((each) => `${each.id} ${each.status ?? ""}`).join();
    if (key === this.shown) return this.#progress(backtests[0]);
    this.shown = key;
    this.element.dataset.status = backtests[0].status ?? "unknown";
    const bad = backtests.find((each) => each.error instanceof Error);
    if (bad) return fill(this.element, el("div", { class: "card" }, failure(bad.error)));
    const finished = backtests.filter((each) => each.status === "finished");
    if (finished.length < backtests.length) return fill(this.element, this.#heads(backtests), this.#state(backtests.find((each) => each.status !== "finished")));
    return this.#results(finished);
  }

  #heads(backtests) {
    return el("div", { class: "card heads" }, backtests.map((each, i) => el("div", { class: "head" },
      el("div", {}, el("h1", {}, backtests.length > 1 ? el("span", { class: `key ${"ab"[i]}` }) : "", nameOf(each)),
        el("p", { class: "note" }, `${each.symbol}, ${day(each.start_time)} to ${day(each.end_time)}${terms(each.config)}`)),
      el("div", { class: "actions" }, i === 0 ? this.#actions(each) : el("button", { type: "button", onclick: this.onCompare }, "End the comparison")))));
  }

  #actions(backtest) {
    const report = backtest.has_report && el("a", { href: `api/v1/backtests/${backtest.id}/report`, target: "_blank", rel: "noopener", class: "button" }, "Report");
    const said = el("span", { class: "note", role: "status" });
    const word = isOpen(backtest) ? "Cancel" : "Remove";
    const button = el("button", { type: "button" }, word);
    button.addEventListener("click", async () => {
      // What cannot be undone is asked for twice.
      if (word === "Remove" && !button.dataset.sure) {
        button.dataset.sure = "yes";
        button.textContent = "Remove for good";
        return;
      }
      button.disabled = true;
      try {
        await remove(`backtests/${backtest.id}`);
        if (word === "Remove") this.onGone(backtest.id);
        else said.textContent = "It is being cancelled.";
      } catch (error) {
        button.disabled = false;
        said.textContent = `${error.title}. ${error.detail ?? ""}`;
      }
    });
    return [report || null, button, said];
  }

  #state(backtest) {
    if (!isOpen(backtest)) {
      const title = backtest.status === "failed" ? "The backtest failed" : "The backtest was cancelled";
      return el("div", { class: "card" }, message(title, backtest.error ?? "", { isError: backtest.status === "failed" }));
    }
    this.bar = el("progress", { max: 1, value: backtest.progress, "aria-label": "Progress" });
    this.said = el("p", { class: "note", role: "status" }, progressOf(backtest));
    return el("div", { class: "card under-way" }, this.said, this.bar);
  }

  #progress(backtest) {
    if (!isOpen(backtest) || !this.bar) return;
    this.bar.value = backtest.progress;
    if (this.said.textContent !== progressOf(backtest)) this.said.textContent = progressOf(backtest);
  }

  async #results(backtests) {
    const place = el("div", { class: "curve", role: "img", "aria-label": `Equity and drawdown of ${backtests.map(nameOf).join(" and ")}` });
    const trades = el("div");
    const scale = backtests.length > 1 ? "growth since the start, and drawdown" : "equity in quote currency, and drawdown";
    fill(this.element, this.#heads(backtests), figures(backtests.map((each) => each.results)),
      el("section", { class: "card" }, el("div", { class: "chart-head" }, el("h2", {}, "Equity"), el("span", { class: "note" }, scale)), place),
      el("section", { class: "card" }, el("div", { class: "chart-head" }, el("h2", {}, "Trades"), switcher(backtests, trades)), trades));
    const key = this.shown;
    try {
      const curves = await Promise.all(backtests.map(({ id }) => get(`backtests/${id}/equity`, { points: N_POINTS })));
      if (key === this.shown) new Curve(place).draw(curves.map(({ items }, i) => ({ points: items, capital: backtests[i].config.capital })));
    } catch (error) {
      fill(place, failure(error));
    }
  }
}

/** The trades of the first, and a choice where there are two. */
function switcher(backtests, element) {
  const show = (backtest) => showTrades(element, `backtests/${backtest.id}/trades`);
  show(backtests[0]);
  if (backtests.length === 1) return null;
  const buttons = backtests.map((each, i) => el("button", { type: "button", "aria-pressed": String(i === 0), onclick: () => {
    buttons.forEach((button, n) => button.setAttribute("aria-pressed", String(n === i)));
    show(each);
  } }, nameOf(each)));
  return el("div", { class: "segments", role: "group", "aria-label": "Trades of" }, buttons);
}

const progressOf = ({ status, progress }) => (status === "queued"
  ? "Waiting for its turn: Dagster computes one backtest at a time."
  : `Running: ${percent(Math.floor(progress * 20) / 20, { digits: 0 })}`);

/** ", 10,000 at 2×, 4.5 bps" */
function terms(config) {
  if (!config?.capital) return "";
  const leverage = config.leverage === 1 ? "" : ` at ${config.leverage}×`;
  return `, capital ${money(config.capital).replace(".00", "")}${leverage}, taker ${config.taker_bps} bps${config.mode === "spot" ? ", spot" : ""}`;
}

