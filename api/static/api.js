// The REST API: addresses, pages, the token, and errors that people can read. Nothing is drawn here.

const ROOT = new URL("../", import.meta.url);
const BASE = new URL("api/v1/", ROOT);
const TIMEOUT_MS = 20_000;
const PAGE = 5000;
const TOKEN = "token";

/** What the server, or the way to it, has against a request. `title` and `detail` are for people. */
export class ApiError extends Error {
  constructor(status, title, detail, word = "") {
    super(title);
    Object.assign(this, { status, title, detail, word });
  }
}

/** Return the address of the live stream. */
export function streamAddress() {
  const address = new URL("stream", BASE);
  address.protocol = address.protocol.replace("http", "ws");
  return address;
}

/** Return what the API has at a path; `parameters` may hold lists, and what is null or "" is left out. */
export const get = (path, parameters = {}, options = {}) => request("GET", path, { parameters, ...options });

/** Send what is to be made; the same key sent twice is made once. */
export const post = (path, body, key) => request("POST", path, { body, headers: { "Idempotency-Key": key } });

/** Have something removed. */
export const remove = (path) => request("DELETE", path);

/** Return all rows of a list, page by page, at most so many. */
export async function all(path, parameters = {}, { most = 100_000, signal } = {}) {
  const items = [];
  let cursor = null;
  do {
    const limit = Math.min(PAGE, most - items.length);
    const page = await get(path, { ...parameters, limit, cursor }, { signal });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < most);
  return items;
}

/** Return the token that was given in this window; it is kept until the window is closed. */
export const token = () => sessionStorage.getItem(TOKEN) ?? "";
export const keepToken = (text) => sessionStorage.setItem(TOKEN, text.trim());

async function request(method, path, { parameters = {}, body, headers = {}, signal } = {}) {
  const address = new URL(path, BASE);
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of [value].flat()) if (each !== null && each !== undefined && each !== "") address.searchParams.append(name, each);
  }
  const sent = { Accept: "application/json", ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (method !== "GET" && token()) sent.Authorization = `Bearer ${bytesOf(token())}`;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  try {
    answer = await fetch(address, {
      method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer", "Is `python -m api` running, and is this device on its network?");
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  throw refusal(answer.status, told);
}

/** A header is bytes to the server, of UTF-8 as in its environment; a browser sends one for each character. */
const bytesOf = (text) => String.fromCharCode(...new TextEncoder().encode(text));

function refusal(status, told) {
  const detail = [told.detail, told.hint].filter((part) => typeof part === "string" && part).join(" ");
  if (status === 503 && told.error?.startsWith("database")) {
    return new ApiError(status, "The database is away", `${detail} The page goes on by itself when it is back.`, told.error);
  }
  if (status === 401) return new ApiError(status, "The token is missing or wrong", "This server takes changes with its token alone (API_TOKEN): give it in the form of a new backtest.", told.error);
  if (status === 403) return new ApiError(status, "Not allowed", detail, told.error);
  if (status === 429) return new ApiError(status, "Too many requests", detail, told.error);
  return new ApiError(status, status >= 500 ? "The server has a fault" : "That cannot be shown", detail || `HTTP ${status}`, told.error);
}
