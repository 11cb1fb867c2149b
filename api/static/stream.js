// The live stream: one socket, any number of subscriptions. While it is away, each subscription asks over REST instead.

import { streamAddress } from "./api.js";

const POLL_MS = 5_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
// So many heartbeats may fail to come.
const PATIENCE = 2.5;

const subscriptions = new Map();
const listeners = new Set();
let socket = null;
let cursor = null;
let wait = FIRST_WAIT_MS;
let link = "connecting";
let watchdog = 0;
let heartbeatSeconds = 15;

/** Call `listener(link)` now and when it changes: connecting, live, polling (no socket), away (no database). */
export function onLink(listener) {
  if (socket === null) connect();
  listeners.add(listener);
  listener(link);
}

/**
 * Follow a channel; returns what ends it. `wanted` is {channel, symbol, interval}; `rows` is called with rows that are
 * new or have changed, `reload` when there are too many to send, `poll` every few seconds while there is no socket.
 */
export function follow(wanted, { rows, reload = () => {}, poll = () => {} }) {
  const key = JSON.stringify([wanted.channel, wanted.symbol, wanted.interval]);
  const mine = { wanted, rows, reload, poll };
  const together = subscriptions.get(key) ?? new Set();
  subscriptions.set(key, together.add(mine));
  if (socket === null) connect();
  else if (together.size === 1) send("subscribe", wanted);
  return () => {
    together.delete(mine);
    if (together.size === 0 && subscriptions.delete(key)) send("unsubscribe", wanted);
  };
}

function connect() {
  socket = new WebSocket(streamAddress());
  socket.addEventListener("open", () => {
    wait = FIRST_WAIT_MS;
    const since = cursor;
    for (const [mine] of [...subscriptions.values()].map((each) => [...each])) send("subscribe", mine.wanted, since);
    // What was committed while a first attempt broke off halfway has no cursor: it is asked for.
    if (link === "polling") poll();
    become("live");
    watch();
  });
  socket.addEventListener("message", (event) => take(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    clearTimeout(watchdog);
    become("polling");
    setTimeout(connect, wait * (0.5 + Math.random() / 2));
    wait = Math.min(LONGEST_WAIT_MS, wait * 2);
  });
}

function take(told) {
  watch();
  cursor = told.cursor ?? cursor;
  if (told.type === "hello") heartbeatSeconds = told.heartbeat_seconds;
  else if (told.type === "heartbeat") become(told.database === "away" ? "away" : "live");
  else if (told.type === "latest" || told.type === "change") {
    // Rows come from a database that is there, whatever the last heartbeat said.
    become("live");
    each(told, (mine) => mine.rows(told.rows, told.type));
  } else if (told.type === "reload") each(told, (mine) => mine.reload(told));
  else if (told.type === "error") console.warn(told.detail, told.hint);
}

/** Run for all who follow this series; who left out the interval follows each. */
function each(told, run) {
  for (const together of [...subscriptions.values()]) for (const mine of [...together]) {
    const { channel, symbol, interval } = mine.wanted;
    if (channel === told.channel && symbol === told.symbol && (interval ?? told.interval) === told.interval) run(mine);
  }
}

function send(action, wanted, since = null) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ action, ...wanted, ...(since ? { since } : {}) }));
}

/** A connection can die without a word: whoever is silent for too long is hung up on. */
function watch() {
  clearTimeout(watchdog);
  const mine = socket;
  watchdog = setTimeout(() => mine.close(), heartbeatSeconds * PATIENCE * 1000);
}

function become(next) {
  if (next === link) return;
  link = next;
  for (const listener of listeners) listener(link);
}

function poll() {
  for (const together of subscriptions.values()) for (const mine of together) mine.poll();
}

setInterval(() => link === "polling" && poll(), POLL_MS);
