// The bar over the chart: intervals, indicators, whose decisions. What is chosen is kept in the address.

import { byId, el, fill } from "./dom.js";
import { change, state } from "./state.js";

/** The choice that shows no decisions. */
export const NO_STRATEGY = "none";

/** Draw the bar for what is chosen now. `catalog` is the answer of /symbols. */
export function drawToolbar(catalog) {
  const now = state();
  const shown = shownIndicators(catalog).map((entry) => entry.name);
  fill(byId("intervals"), catalog.intervals.map((label) => el("button", {
    type: "button", "aria-pressed": String(label === now.interval), onclick: () => change({ interval: label }) }, label)));
  fill(byId("indicators"), indicatorsHere(catalog).map((entry) => el("button", {
    type: "button", class: `dot-${(entry.n % 6) + 1}`, "aria-pressed": String(shown.includes(entry.name)), title: titleOf(entry),
    onclick: () => toggle(catalog, entry.name) }, entry.name)));
  fill(byId("strategy"), [["", "all strategies"], ...decidingHere(catalog).map((each) => [each.name, each.name]), [NO_STRATEGY, "none"]].map(
    ([value, label]) => el("option", { value, selected: value === now.strategy }, label)));
  byId("intervals").querySelector("[aria-pressed=true]")?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
}

/** Return the indicators that are shown: those over the candles, until one chooses. */
export function shownIndicators(catalog) {
  const { show } = state();
  const here = indicatorsHere(catalog);
  return show === null ? here.filter((entry) => entry.drawn === "overlay") : here.filter((entry) => show.split(",").includes(entry.name));
}

/** Return the strategies that decide on the interval. */
export const decidingHere = (catalog) => catalog.strategies.filter((each) => each.intervals.includes(state().interval));

const indicatorsHere = (catalog) => catalog.indicators.map((entry, i) => ({ ...entry, n: i })).filter((entry) => entry.intervals.includes(state().interval));

function toggle(catalog, name) {
  const shown = shownIndicators(catalog).map((entry) => entry.name);
  const next = shown.includes(name) ? shown.filter((each) => each !== name) : [...shown, name];
  change({ show: next.join(",") });
}

function titleOf(entry) {
  const parameters = Object.entries(entry.parameters ?? {}).map(([name, value]) => `${name} ${value}`);
  return `${entry.function}${parameters.length ? `, ${parameters.join(", ")}` : ""}`;
}
