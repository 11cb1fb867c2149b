// How elements are made, and the messages for what is empty, away or wrong. No view, no data.

/** Return an element: `el("p", {class: "note", onclick: f, hidden: true}, "text", child)`. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return the element with this id: the page's skeleton is in index.html. */
export const byId = (id) => document.getElementById(id);

/** Put these children in place of an element's own. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** Say why there is nothing to see, and what to do about it. */
export function message(title, detail = "", { isError = false, action } = {}) {
  const button = action && el("button", { type: "button", onclick: action.run }, action.label);
  return el("div", { class: isError ? "message error" : "message" }, el("strong", {}, title), ...withCode(detail), button);
}

/** Say what went wrong, in the server's own words where it has some. */
export function failure(error, retry) {
  const action = retry && { label: "Try again", run: retry };
  return message(error.title ?? "Something went wrong", error.detail ?? error.message, { isError: true, action });
}

/** Return rows of `<dt>` and `<dd>`; a value may be an element. */
export function pairs(rows, attributes = { class: "pairs" }) {
  return el("dl", attributes, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** Draw what is between backquotes as code: messages name commands. */
function withCode(text) {
  return text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));
}
