// What is being looked at, kept in the address: a link or a reload shows the same again.

const DEFAULTS = { tab: "market", symbol: "", interval: "", strategy: "", show: null, backtest: "", other: "", account: "", day: "" };
const listeners = new Set();
let now = read();

/** The state: tab, symbol, interval, strategy, show (indicators, comma list), backtest, other, account, day. */
export const state = () => now;

/** Change parts of it. A new tab, backtest or account is a step back in the browser's history, the rest is not. */
export function change(parts, { isStep = "tab" in parts || "backtest" in parts || "account" in parts } = {}) {
  const next = { ...now, ...parts };
  if (Object.keys(next).every((key) => next[key] === now[key])) return;
  const address = addressOf(next);
  if (isStep) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  tell(next);
}

/** Call `listener(state, before)` whenever it has changed. */
export const onChange = (listener) => listeners.add(listener);

/** The address that shows a state. */
export function addressOf(next) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(next)) if (value !== null && value !== DEFAULTS[key]) query.set(key, value);
  return `?${query}`;
}

function read() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(Object.keys(DEFAULTS).map((key) => [key, query.get(key) ?? DEFAULTS[key]]));
}

function tell(next) {
  const before = now;
  now = next;
  for (const listener of listeners) listener(now, before);
}

addEventListener("popstate", () => tell(read()));
