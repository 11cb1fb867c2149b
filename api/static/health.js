// The strip at the foot: every part of the system, how it is and how old what it said is.

import { get } from "./api.js";
import { byId, el, fill } from "./dom.js";
import { duration } from "./format.js";

const EVERY_MS = 20_000;
// What a part says of itself in a word, beside its mark: colour alone tells nobody everything.
const WORDS = { late: "late", down: "down" };

/** Show the strip, and again every few seconds while somebody looks. */
export function startHealth() {
  showHealth();
  setInterval(() => document.hidden || showHealth(), EVERY_MS);
  document.addEventListener("visibilitychange", () => document.hidden || showHealth());
}

/** Show how the parts are now. */
export async function showHealth() {
  try {
    const { parts } = await get("health");
    fill(byId("health"), parts.map(part));
  } catch (error) {
    fill(byId("health"), part({ name: "API", status: "down", age_seconds: null, detail: error.title }));
  }
}

function part({ name, status, age_seconds: age, detail }) {
  const said = WORDS[status] ?? (age > 1 ? duration(age) : "");
  return el("span", { "data-status": status, title: detail }, el("b", {}, name), said && ` ${said}`,
    el("span", { class: "unseen" }, `: ${status}, ${detail}`));
}
