// The page: what is configured is asked for once, then each view draws itself when it is looked at.

import { get } from "./api.js";
import { startBacktests } from "./backtests.js";
import { byId, el, failure, fill, message } from "./dom.js";
import { showHealth, startHealth } from "./health.js";
import { startMarket } from "./market.js";
import { startPaper } from "./paper.js";
import { startQuality } from "./quality.js";
import { addressOf, change, onChange, state } from "./state.js";
import { onLink } from "./stream.js";
import { startTheme } from "./theme.js";

const RETRY_MS = 5_000;
const TABS = ["market", "paper", "backtests", "quality"];
const LINKS = {
  connecting: ["connecting", ""],
  live: ["live", "Changes are shown as they are stored"],
  polling: ["asking every 5 s", "The live stream is away: the page asks every 5 s, and connects again by itself"],
  away: ["database away", "What is shown is as it was; the page goes on by itself when the database is back"],
};

async function start() {
  startTheme();
  startHealth();
  showTab();
  for (const link of document.querySelectorAll("[data-tab], .brand")) link.addEventListener("click", go);
  onChange(showTab);
  const catalog = await load();
  settle(catalog);
  symbols(catalog);
  onLink(showLink);
  for (const each of [startMarket, startPaper, startBacktests, startQuality]) each(catalog);
}

/** Ask what is configured until there is an answer: without it nothing can be drawn. */
async function load() {
  for (;;) {
    try {
      const catalog = await get("symbols");
      fill(byId("trouble"));
      byId("trouble").hidden = true;
      return catalog;
    } catch (error) {
      fill(byId("trouble"), failure(error));
      byId("trouble").hidden = false;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** What the address does not say, or says of something that is not configured, is chosen here. */
function settle({ symbols, intervals, strategies }) {
  const { symbol, interval, tab } = state();
  const decided = intervals.find((label) => strategies.some((each) => each.intervals.includes(label)));
  change({
    symbol: symbols.includes(symbol) ? symbol : symbols[0],
    interval: intervals.includes(interval) ? interval : decided ?? intervals[1] ?? "1m",
    tab: TABS.includes(tab) ? tab : TABS[0],
  }, { isStep: false });
}

function symbols(catalog) {
  const choice = byId("symbol");
  fill(choice, catalog.symbols.map((symbol) => el("option", { value: symbol }, symbol)));
  choice.addEventListener("change", () => change({ symbol: choice.value }));
  const show = () => (choice.value = state().symbol);
  onChange(show);
  show();
}

/** A click on a tab changes the view; with a key for a new window it stays a link. */
function go(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  change({ tab: event.currentTarget.dataset.tab ?? TABS[0] });
}

function showTab() {
  const { tab } = state();
  for (const section of document.querySelectorAll("section.tab")) section.hidden = section.id !== tab;
  for (const link of document.querySelectorAll("[data-tab]")) {
    link.href = addressOf({ ...state(), tab: link.dataset.tab });
    if (link.dataset.tab === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function showLink(link) {
  const [text, title] = LINKS[link];
  const place = byId("link");
  place.dataset.state = link;
  place.textContent = text;
  place.title = title;
  document.documentElement.dataset.link = link;
  const isAway = link === "away";
  if (isAway) fill(byId("trouble"), message("The database is away", title, { isError: true }));
  byId("trouble").hidden = !isAway;
  showHealth();
}

start();
