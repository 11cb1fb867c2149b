// The market: price and day, the chart with indicators and decisions, live. Brings the parts together.

import { get } from "./api.js";
import { showDay, showLegend, showWords } from "./around.js";
import { Candles, point, stepOf } from "./candles.js";
import { CandleChart } from "./chart.js";
import { Decisions, listDecisions, showDecision } from "./decisions.js";
import { byId, failure, fill, message } from "./dom.js";
import { price, seconds } from "./format.js";
import { Overlays } from "./overlays.js";
import { change, onChange, state } from "./state.js";
import { follow } from "./stream.js";
import { onTheme } from "./theme.js";
import { NO_STRATEGY, decidingHere, drawToolbar, shownIndicators } from "./toolbar.js";

const DAY_REFRESH_MS = 30_000;
// Derived values are written with their candle, a moment after it.
const SETTLE_MS = 1_500;
// What is loaded sooner needs no word about it.
const PATIENCE_MS = 400;

let catalog;
let chart;
let view = null;

/** Draw the market whenever it is looked at. `given` is the answer of /symbols. */
export function startMarket(given) {
  catalog = given;
  chart = new CandleChart(byId("chart"), { onEdge: older, onMarker: choose, onHover: (at) => view && showLegend(view, at), onMove: (isEnd) => (byId("newest").hidden = isEnd) });
  byId("newest").addEventListener("click", () => chart.toEnd());
  byId("chart").addEventListener("keydown", step);
  byId("strategy").addEventListener("change", (event) => change({ strategy: event.target.value }));
  onTheme(() => {
    view?.overlays.recolour();
    mark();
  });
  onChange((now, before) => {
    if (now.tab !== "market") return leave();
    if (!view || now.symbol !== before.symbol || now.interval !== before.interval) return enter();
    if (now.show !== before.show) showOverlays();
    if (now.strategy !== before.strategy) showDecisions();
    return drawToolbar(catalog);
  });
  setInterval(() => view && state().tab === "market" && day(), DAY_REFRESH_MS);
  if (state().tab === "market") enter();
}

function leave() {
  view?.end();
  view = null;
}

async function enter() {
  leave();
  const { symbol, interval } = state();
  const abort = new AbortController();
  const mine = { candles: new Candles(symbol, interval, abort.signal), overlays: new Overlays(chart.chart, symbol, interval, abort.signal),
    decisions: null, chosen: null, stops: [], isLoading: false };
  mine.end = () => {
    abort.abort();
    mine.stops.forEach((stop) => stop());
    mine.overlays.show([]);
  };
  view = mine;
  drawToolbar(catalog);
  byId("quote-symbol").textContent = symbol;
  byId("chart").setAttribute("aria-label", `Candles of ${symbol}, ${interval}`);
  byId("chart").dataset.state = "loading";
  setTimeout(() => view === mine && byId("chart").dataset.state === "loading" && fill(byId("chart-message"), message("Loading candles …")), PATIENCE_MS);
  day();
  words();
  await attempt(mine, async () => {
    await mine.candles.load();
    if (view !== mine) return;
    drawAll();
    await Promise.all([showOverlays(), showDecisions()]);
  });
  if (view === mine) followMarket(mine);
}

/** Run what needs the server; what fails is shown over the chart, with a way to try again. */
async function attempt(mine, work) {
  try {
    await work();
  } catch (error) {
    if (error.name === "AbortError" || view !== mine) return;
    byId("chart").dataset.state = "error";
    fill(byId("chart-message"), failure(error, enter));
    retryLater(mine);
  }
}

function retryLater(mine) {
  setTimeout(() => view === mine && byId("chart").dataset.state === "error" && enter(), 5_000);
}

function drawAll() {
  const { candles } = view;
  chart.draw(candles, { isNew: true });
  const isEmpty = candles.rows.length === 0;
  byId("chart").dataset.state = isEmpty ? "empty" : "ready";
  fill(byId("chart-message"), isEmpty ? nothing() : "");
  quote();
  showLegend(view, null);
}

function nothing() {
  const { symbol, interval } = state();
  return message(`No ${interval} candles of ${symbol} yet`, interval === "1m"
    ? "The collector writes the first within a minute of its start (`python -m collector`); `btc import` and `btc backfill` bring the past."
    : "They are derived from minutes as these come in; for stored minutes, `btc derive` does it.");
}

async function older() {
  const mine = view;
  if (!mine || mine.isLoading || mine.candles.isComplete) return;
  mine.isLoading = true;
  let n = 0;
  await attempt(mine, async () => {
    n = await mine.candles.loadOlder();
    if (n === 0 || view !== mine) return;
    chart.draw(mine.candles);
    const start = mine.candles.first.time;
    await Promise.all([mine.overlays.extend(start), mine.decisions?.load(start)]);
    if (view === mine) mark();
  });
  mine.isLoading = false;
  // The edge was reached once more while this was loading: the chart says so only once.
  if (n > 0 && view === mine && chart.isNearEdge()) older();
}

function followMarket(mine) {
  const { symbol, interval } = mine.candles;
  const take = (rows) => view === mine && rows.length > 0 && takeCandles(rows);
  mine.stops.push(follow({ channel: "candles", symbol, interval }, {
    rows: take, reload: enter, poll: async () => quietly(async () => take(await mine.candles.since(mine.candles.last?.at))),
  }));
  mine.stops.push(follow({ channel: "decisions", symbol, interval }, {
    rows: takeDecisions, reload: showDecisions, poll: () => quietly(async () => { await mine.decisions?.refresh(); mark(); }),
  }));
  if (interval !== "1m") {
    mine.stops.push(follow({ channel: "candles", symbol, interval: "1m" }, {
      rows: (rows) => view === mine && rows.length > 0 && quote(rows.at(-1)),
      poll: () => quietly(async () => { const newest = await get("candles/latest", { symbol, interval: "1m" }); if (view === mine) quote(newest); }),
    }));
  }
}

/** What is asked again in a moment may fail once. */
async function quietly(work) {
  try {
    await work();
  } catch (error) {
    console.debug(error.title ?? error);
  }
}

/** Whether candles are absent between the last one and the one before; a month has no step. */
const isHole = ({ last, interval }, before) => before && last.at - before.at > (stepOf(interval) || 86_400 * 31);

function takeCandles(rows) {
  const { candles } = view;
  const wasAtEnd = chart.isAtEnd();
  const isFirst = candles.rows.length === 0;
  let needsAll = isFirst;
  for (const row of rows) {
    const last = candles.last;
    const isLast = candles.put(row);
    needsAll ||= !isLast || rows.length > 3 || isHole(candles, last);
    if (!needsAll) chart.update(candles, point(candles.last));
  }
  if (needsAll) chart.draw(candles);
  if (isFirst) drawAll();
  else if (wasAtEnd && !chart.isAtEnd()) chart.toEnd();
  quote();
  showLegend(view, null);
  const mine = view;
  clearTimeout(mine.settle);
  mine.settle = setTimeout(() => view === mine && quietly(async () => { await mine.overlays.refresh(); if (view === mine) { showLegend(mine, null); words(); } }), SETTLE_MS);
}

function takeDecisions(rows) {
  if (view?.decisions?.take(rows)) mark();
}

async function showOverlays() {
  const mine = view;
  const { candles, overlays } = mine;
  if (!candles.first) return;
  await overlays.show(shownIndicators(catalog), candles.first.time);
  if (view === mine) showLegend(mine, null);
}

async function showDecisions() {
  const mine = view;
  const { symbol, interval, strategy } = state();
  mine.decisions = new Decisions(symbol, interval, strategy === NO_STRATEGY ? "-" : strategy, mine.candles.signal);
  mine.chosen = null;
  if (strategy !== NO_STRATEGY && mine.candles.first) await mine.decisions.load(mine.candles.first.time);
  if (view === mine) mark();
}

function mark() {
  if (!view?.decisions) return;
  const { decisions, candles, chosen } = view;
  chart.mark(decisions.markers(candles.first?.at ?? 0), chosen);
  const row = decisions.find(chosen);
  showDecision(row, row && candles.rows.find((each) => each.at === row.at)?.close);
  listDecisions(decisions, chosen, choose, whyNone());
}

function whyNone() {
  const { interval, strategy } = state();
  if (strategy === NO_STRATEGY) return "Choose a strategy above the chart.";
  if (decidingHere(catalog).length === 0) return `No strategy decides on ${interval}: \`strategies\` in config.yaml says which do on what.`;
  return "A strategy decides at a candle's close once its indicators have warmed up.";
}

function choose(id) {
  view.chosen = id;
  mark();
  const row = view.decisions.find(id);
  if (row) chart.reveal(row.at);
}

function step(event) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || !view?.decisions || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const next = view.decisions.beside(view.chosen, by);
  if (next) choose(next.id);
}

function quote(minute) {
  const last = minute ?? view.candles.last;
  const isOlder = minute === undefined && view.quoted && last && seconds(view.quoted.time) > last.at;
  if (isOlder) return;
  if (minute) view.quoted = minute;
  byId("quote-price").textContent = price(last?.close);
  document.title = last ? `${price(last.close)} ${state().symbol}` : "BTC data";
}

async function day() {
  const mine = view;
  await quietly(async () => {
    const stats = await get("stats", { symbol: state().symbol });
    if (view === mine) showDay(stats);
  });
}

async function words() {
  const { symbol, interval } = state();
  const mine = view;
  await quietly(async () => {
    const told = interval === "1m" ? [] : (await get("ta", { symbol, interval })).items;
    if (view === mine) showWords(interval, told);
  });
}
