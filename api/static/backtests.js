// Backtests: the list, the one that is looked at, and the ones that are under way.

import { get } from "./api.js";
import { startForm } from "./backtest_form.js";
import { BacktestView, isOpen, nameOf } from "./backtest_view.js";
import { byId, el, failure, fill, message } from "./dom.js";
import { change as signed, day, direction } from "./format.js";
import { change, onChange, state } from "./state.js";

const LIMIT = 100;
const POLL_MS = 700;
const REFRESH_MS = 15_000;
const SHORT = { queued: "waiting", running: "running", failed: "failed", cancelled: "cancelled" };

let view;
let isDrawn = false;
let timer = 0;
// By id. Those whose run has not begun are in no list of the server's yet.
const known = new Map();

/** Show backtests whenever they are looked at. */
export function startBacktests(catalog) {
  view = new BacktestView(byId("backtest"), { onGone: gone, onCompare: () => change({ other: "" }) });
  const enter = async () => {
    if (!isDrawn) {
      isDrawn = true;
      // Beside the list on a wide screen there is room for the form; on a phone it is asked for.
      byId("new-backtest").open = matchMedia("(min-width: 60rem)").matches;
      startForm(catalog, started);
    }
    await refresh();
  };
  onChange((now, before) => {
    if (now.tab !== "backtests") return clearTimeout(timer);
    if (before.tab !== "backtests") return enter();
    if (now.symbol !== before.symbol) startForm(catalog, started);
    return show();
  });
  if (state().tab === "backtests") enter();
}

async function refresh() {
  clearTimeout(timer);
  try {
    const { items } = await get("backtests", { limit: LIMIT });
    const listed = new Set(items.map((each) => each.id));
    for (const [id, each] of known) if (!listed.has(id) && !isOpen(each)) known.delete(id);
    for (const each of items) known.set(each.id, each);
    if (!state().backtest && items.length > 0) change({ backtest: items[0].id }, { isStep: false });
    await show();
  } catch (error) {
    fill(byId("backtest-list"), failure(error, refresh));
  }
  later();
}

/** Ask again soon for what is under way, else now and then. */
function later() {
  clearTimeout(timer);
  if (state().tab !== "backtests") return;
  const open = [...known.values()].filter(isOpen);
  timer = open.length > 0 ? setTimeout(() => follow(open), POLL_MS) : setTimeout(refresh, REFRESH_MS);
}

async function follow(open) {
  const told = await Promise.allSettled(open.map(({ id }) => get(`backtests/${id}`)));
  told.forEach(({ value, reason }, i) => {
    if (value) known.set(value.id, value);
    else if (reason.status === 404) known.delete(open[i].id);
  });
  await show();
  later();
}

function started(backtests) {
  const now = new Date().toISOString();
  for (const each of backtests) {
    known.set(each.id, { ...each, start_time: each.start_date, end_time: each.end_date ?? now, created_at: now, progress: 0, results: null, config: {} });
  }
  change({ backtest: backtests[0].id, other: "" }, { isStep: true });
  show();
  later();
}

function gone(id) {
  known.delete(id);
  const parts = { backtest: state().backtest === id ? "" : state().backtest, other: state().other === id ? "" : state().other };
  change(parts, { isStep: false });
  refresh();
}

async function show() {
  list();
  const { backtest, other } = state();
  if (!backtest) return view.none();
  const chosen = await Promise.all([backtest, other].filter(Boolean).map(find));
  return view.show(chosen);
}

/** An address may name a backtest that is in no list. */
async function find(id) {
  if (known.has(id)) return known.get(id);
  try {
    const found = await get(`backtests/${id}`);
    known.set(id, found);
    return found;
  } catch (error) {
    return { id, error };
  }
}

function list() {
  const rows = [...known.values()].filter((each) => each.strategy).sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
  if (rows.length === 0) {
    const detail = "Start one above, or with `btc backtest --symbol BTC --intervals 37m --strategy ma44 --start 2025-01-01`.";
    fill(byId("backtest-list"), message("No backtest yet", detail));
    return;
  }
  const { backtest, other } = state();
  const focused = document.activeElement?.dataset?.key;
  fill(byId("backtest-list"), el("ul", { class: "runs" }, rows.map((each) => entry(each, backtest, other))));
  if (focused) byId("backtest-list").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function entry(each, chosen, other) {
  const open = el("button", { type: "button", class: "open", "data-key": `open ${each.id}`, "aria-current": each.id === chosen ? "true" : null,
    onclick: () => change({ backtest: each.id, other: each.id === other ? "" : other }) },
    el("b", {}, nameOf(each)), outcome(each), el("span", { class: "note" }, `${each.symbol}, ${day(each.start_time)} – ${day(each.end_time)}`),
    isOpen(each) ? el("progress", { max: 1, value: each.progress, "aria-label": `Progress of ${nameOf(each)}` }) : null);
  const isOther = each.id === other;
  const compare = el("button", { type: "button", class: "compare", "data-key": `compare ${each.id}`, "aria-pressed": String(isOther),
    "aria-label": `Compare with ${nameOf(each)}`, onclick: () => change({ other: isOther ? "" : each.id }) }, isOther ? "compared" : "compare");
  const canCompare = each.id !== chosen && each.status === "finished";
  return el("li", { "data-id": each.id, "data-chosen": each.id === chosen }, open, canCompare ? compare : null);
}

function outcome(each) {
  if (each.status !== "finished") return el("span", { class: each.status === "failed" ? "badge error" : "badge" }, SHORT[each.status]);
  return el("span", { class: direction(each.results.total_return) }, signed(each.results.total_return));
}
