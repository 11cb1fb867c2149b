// Light or dark: the system's, or what was chosen here. Charts take their colours from the same custom properties.

import { byId } from "./dom.js";

const NEXT = { system: "dark", dark: "light", light: "system" };
const NAMES = { system: "Auto", dark: "Dark", light: "Light" };
const listeners = new Set();
const chosen = () => document.documentElement.dataset.theme ?? "system";

/** Call a function when the colours have changed. */
export const onTheme = (listener) => listeners.add(listener);

/** Return a colour of the theme: `colour("ink")`. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Let the button choose, and follow the system where nothing was chosen. */
export function startTheme() {
  const button = byId("theme");
  const show = () => {
    button.textContent = `◐ ${NAMES[chosen()]}`;
    button.setAttribute("aria-label", `Theme: ${NAMES[chosen()]}`);
  };
  button.addEventListener("click", () => {
    choose(NEXT[chosen()]);
    show();
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  show();
}

function choose(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // It lasts until the page is closed.
  }
}

const tell = () => listeners.forEach((listener) => listener());
