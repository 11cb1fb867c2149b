// The form that starts a backtest. What is left empty is as config.yaml has it.

import { get, keepToken, post, token } from "./api.js";
import { byId, el, fill } from "./dom.js";
import { day } from "./format.js";
import { state } from "./state.js";

// Rules that are seldom changed: name, label, what it is.
const RULES = [
  ["capital", "Capital", "At the start, quote currency"], ["leverage", "Leverage", "Position ÷ equity"],
  ["taker_bps", "Taker fee, bps", "Of every fill at the market"], ["maker_bps", "Maker fee, bps", "Of a target that rested"],
  ["slippage_bps", "Slippage, bps", "How much worse than the market a fill is"],
  ["delay_minutes", "Delay, minutes", "How long after a decision its order is there"],
  ["stop_bps", "Stop, bps", "Loss that closes a position"], ["target_bps", "Target, bps", "Gain that closes a position"],
  ["trailing_stop_bps", "Trailing stop, bps", "Fall from the best price that closes a position"],
];
const DAYS = 90;
const DAY_MS = 86_400_000;

/** Draw the form; `onStart([{id, interval, …}])` when the server has taken a backtest over. */
export async function startForm(catalog, onStart) {
  const strategies = await known(catalog);
  const now = Date.now();
  const newest = await newestDay(catalog).catch(() => now);
  const form = byId("backtest-form");
  const parameters = el("div", { class: "fields whole" });
  const fault = el("p", { class: "fault whole", role: "alert" });
  const button = el("button", { type: "submit", class: "main whole" }, "Start");
  const strategy = select("strategy", strategies.items.map((each) => each.name), state().strategy || catalog.strategies[0]?.name);
  const draw = () => fill(parameters, ...fieldsOf(strategies.items.find((each) => each.name === strategy.value)));
  strategy.addEventListener("change", draw);
  const intervals = catalog.intervals.filter((label) => label !== "1m");
  fill(form,
    label("Strategy", strategy), label("Interval", select("interval", intervals, state().interval)),
    label("From", el("input", { type: "date", name: "start_date", required: true, value: day(new Date(newest - DAYS * DAY_MS).toISOString()) })),
    label("To, exclusive", el("input", { type: "date", name: "end_date", value: day(new Date(newest).toISOString()) })),
    parameters, rules(catalog.backtest),
    catalog.writes === "token" ? tokenField() : null,
    strategies.note && el("p", { class: "note whole" }, strategies.note), fault, button);
  draw();
  // Listeners of an earlier drawing went with their form.
  form.onsubmit = (event) => {
    event.preventDefault();
    send(form, fault, button, onStart);
  };
}

/** The code location knows all strategies with their parameters; while it is away, those that are configured are. */
async function known(catalog) {
  try {
    return { items: (await get("strategies")).items, note: "" };
  } catch (error) {
    const items = catalog.strategies.map(({ name }) => ({ name, parameters: [] }));
    return { items, note: `${error.detail ?? error.title} Until then no backtest can be started.` };
  }
}

async function newestDay() {
  const { newest } = await get("stats", { symbol: state().symbol });
  return newest ? Date.parse(newest) + DAY_MS : Date.now();
}

function fieldsOf(strategy) {
  return (strategy?.parameters ?? []).map((each) => label(each.name, el("input", {
    name: `parameters.${each.name}`, inputmode: "decimal", placeholder: String(wordOf(each)), autocomplete: "off",
    title: `${each.meaning} (${each.low} to ${each.high})` })));
}

const wordOf = ({ default: value, words }) => Object.entries(words ?? {}).find(([, each]) => each === value)?.[0] ?? value;

function rules(defaults) {
  return el("details", { class: "whole" }, el("summary", {}, "Costs and rules"), el("div", { class: "fields" },
    label("Market", select("mode", ["perp", "spot"], defaults.mode)),
    RULES.map(([name, text, title]) => label(text, el("input", {
      name, title, inputmode: "decimal", autocomplete: "off", placeholder: defaults[name] === null ? "none" : String(defaults[name]) })))));
}

const tokenField = () => label("Token of the server (API_TOKEN)", el("input", {
  name: "token", type: "password", autocomplete: "off", value: token(), oninput: (event) => keepToken(event.target.value) }), "whole");

const label = (text, field, cls = "") => el("label", { class: cls }, el("span", {}, text), field);

const select = (name, options, chosen) => el("select", { name }, options.map((option) => (
  el("option", { value: option, selected: option === chosen }, option))));

async function send(form, fault, button, onStart) {
  const given = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  fill(fault);
  button.disabled = true;
  try {
    const body = bodyOf(given);
    // One press of the button is one backtest, however often the request has to be sent.
    const answer = await post("backtests", body, crypto.randomUUID?.() ?? String(Math.random()));
    onStart(answer.backtests.map((part) => ({ ...body, ...part, status: answer.status })));
  } catch (error) {
    const field = form.elements[error.field ?? (error.status === 401 ? "token" : null) ?? Object.keys(given).find((name) => error.detail?.startsWith(`${name}:`))];
    field?.setAttribute?.("aria-invalid", "true");
    field?.focus?.();
    fill(fault, el("strong", {}, error.title), ` ${error.detail ?? error.message}`);
  } finally {
    button.disabled = false;
  }
}

/** Return the request: numbers are numbers, words of parameters stay words. */
function bodyOf({ token: _, interval, strategy, start_date: start, end_date: end, mode, ...rest }) {
  const body = { symbol: state().symbol, strategy, intervals: [interval], start_date: start ?? "", mode, parameters: {} };
  if (end) body.end_date = end;
  for (const [name, text] of Object.entries(rest)) {
    const number = Number(text.replace(",", "."));
    const [, parameter] = name.split("parameters.");
    if (parameter) body.parameters[parameter] = Number.isNaN(number) ? text : number;
    else if (Number.isNaN(number)) throw Object.assign(new Error(), { title: "Not a number:", detail: `${name} is ${text}.`, field: name });
    else body[name] = number;
  }
  return body;
}
