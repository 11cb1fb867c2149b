// The trades of a backtest as a table, a page at a time.

import { get } from "./api.js";
import { el, failure, fill, message } from "./dom.js";
import { change, direction, duration, money, price, seconds, time, whole } from "./format.js";

const PAGE = 200;

/** Show the trades that a path has in an element, the newest first. */
export async function showTrades(element, path, parameters = {}, none = "It never changed its position, or its history was too short to warm up.") {
  const body = el("tbody");
  const more = el("button", { type: "button", class: "quiet", hidden: true }, "Earlier trades");
  let cursor = null;
  const load = async () => {
    more.disabled = true;
    try {
      const page = await get(path, { ...parameters, order: "desc", limit: PAGE, cursor });
      if (!cursor && page.items.length === 0) return fill(element, message("No trade", none));
      body.append(...page.items.map(row));
      cursor = page.next;
      more.hidden = !cursor;
      more.disabled = false;
    } catch (error) {
      fill(element, failure(error, () => showTrades(element, path, parameters, none)));
    }
    return undefined;
  };
  more.addEventListener("click", load);
  fill(element, el("div", { class: "scroll trades", tabindex: "0", role: "region", "aria-label": "Trades" }, el("table", {}, head(), body), more));
  await load();
}

const NAMES = ["#", "Side", "Entry", "Price", "Exit", "Price", "Held", "Return", "Profit", "Fees", "Funding", "Ended by"];
const TEXT = new Set(["Side", "Entry", "Exit", "Ended by"]);

const head = () => el("thead", {}, el("tr", {}, NAMES.map((name) => (
  el("th", { scope: "col", class: TEXT.has(name) ? "text" : "" }, name)))));

function row(trade) {
  const held = seconds(trade.exit_time) - seconds(trade.entry_time);
  const cells = [
    whole(trade.seq), el("span", { class: `badge ${trade.side === "long" ? "up" : "down"}` }, trade.side),
    time(trade.entry_time), price(trade.entry_price), time(trade.exit_time), price(trade.exit_price), duration(held),
    el("span", { class: direction(trade.return) }, change(trade.return)),
    el("span", { class: direction(trade.pnl) }, money(trade.pnl, "exceptZero")),
    money(trade.fees), money(trade.funding), trade.exit_reason,
  ];
  return el("tr", {}, cells.map((cell, i) => el("td", { class: TEXT.has(NAMES[i]) ? "text" : "" }, cell)));
}
