// Paper accounts: the list, and the one that is looked at. They change by themselves, so they are asked for again and again.

import { get } from "./api.js";
import { byId, el, failure, fill, message } from "./dom.js";
import { change as signed, day, direction } from "./format.js";
import { AccountView, nameOf, positionOf } from "./paper_view.js";
import { change, onChange, state } from "./state.js";

const EVERY_MS = 5_000;
const keyOf = ({ strategy, interval }) => `${strategy}|${interval}`;

let view;
let accounts = [];
let timer = 0;

/** Show paper accounts whenever they are looked at. `catalog` is the answer of /symbols. */
export function startPaper(catalog) {
  view = new AccountView(byId("account"), new Set(catalog.strategies.map((each) => each.name)));
  onChange((now, before) => {
    if (now.tab !== "paper") return clearTimeout(timer);
    if (before.tab !== "paper" || now.symbol !== before.symbol) return enter();
    return now.account === before.account ? undefined : refresh();
  });
  document.addEventListener("visibilitychange", () => state().tab === "paper" && !document.hidden && refresh());
  if (state().tab === "paper") enter();
}

function enter() {
  accounts = [];
  fill(byId("accounts"), message("Loading accounts …"));
  view.none();
  return refresh();
}

async function refresh() {
  clearTimeout(timer);
  const { symbol } = state();
  try {
    const { items } = await get("paper", { symbol });
    if (symbol !== state().symbol) return;
    accounts = items;
    await show();
  } catch (error) {
    accounts = [];
    view.none();
    fill(byId("accounts"), failure(error, refresh));
  }
  clearTimeout(timer);
  timer = setTimeout(() => state().tab === "paper" && (document.hidden || refresh()), EVERY_MS);
}

function show() {
  if (accounts.length === 0) {
    view.none();
    fill(byId("accounts"), message(`No paper account on ${state().symbol} yet`,
      "An account opens by itself with a strategy's first live decision: `strategies` in config.yaml says which decide, and `python -m live` decides."));
    return undefined;
  }
  const chosen = accounts.find((each) => keyOf(each) === state().account) ?? accounts[0];
  const focused = document.activeElement?.dataset?.account;
  fill(byId("accounts"), el("ul", { class: "runs" }, accounts.map((each) => entry(each, each === chosen))));
  if (focused) byId("accounts").querySelector(`[data-account="${CSS.escape(focused)}"]`)?.focus();
  return view.show(chosen);
}

function entry(account, isChosen) {
  const open = el("button", { type: "button", class: "open", "data-account": keyOf(account), "aria-current": isChosen ? "true" : null,
    onclick: () => change({ account: keyOf(account) }) },
    el("b", {}, nameOf(account)), el("span", { class: direction(account.total_return) }, signed(account.total_return)),
    el("span", { class: "note" }, `${positionOf(account)}, since ${day(account.started_at)}`));
  return el("li", { class: "single", "data-chosen": isChosen }, open);
}
