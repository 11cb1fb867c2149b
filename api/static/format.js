// Numbers, times and durations in words and figures. Pure; what is missing is a dash. Times are UTC.

const NONE = "–";
const MINUS = "−";
const plain = (n, digits, sign) =>
  new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: sign });
const cache = new Map();

function digitsOf(value, digits, sign = "auto") {
  const key = `${digits}${sign}`;
  if (!cache.has(key)) cache.set(key, plain(0, digits, sign));
  return cache.get(key).format(value).replace("-", MINUS);
}

const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);

/** A price: two decimals at 1,000, more where it is small. */
export function price(value) {
  if (isMissing(value)) return NONE;
  return digitsOf(value, decimalsOf(value));
}

/** How many decimals a price of this size is shown with. */
export function decimalsOf(value) {
  const size = Math.abs(value);
  if (size >= 1000 || size === 0) return 2;
  return Math.min(8, Math.max(2, 4 - Math.floor(Math.log10(size))));
}

export const money = (value, sign = "auto") => (isMissing(value) ? NONE : digitsOf(value, 2, sign));
export const number = (value, digits = 2) => (isMissing(value) ? NONE : digitsOf(value, digits));
export const whole = (value) => (isMissing(value) ? NONE : digitsOf(value, 0));

/** A fraction as percent: 0.0123 is "1.23%". */
export function percent(value, { digits = 2, sign = "auto" } = {}) {
  return isMissing(value) ? NONE : `${digitsOf(value * 100, digits, sign)}%`;
}

/** A change, with its sign; the class that colours it is `direction`. */
export const change = (value) => percent(value, { sign: "exceptZero" });
export const direction = (value) => (isMissing(value) || value === 0 ? "" : value > 0 ? "up" : "down");

/** A large amount in few figures: 12,345,678 is "12.3 M". */
export function amount(value) {
  if (isMissing(value)) return NONE;
  for (const [limit, unit] of [[1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(value) >= limit) return `${digitsOf(value / (unit === "k" ? 1e3 : limit), 1)} ${unit}`;
  }
  return digitsOf(value, Number.isInteger(value) ? 0 : 2);
}

/** "2021-04-20 02:00Z" of an ISO text or of Unix seconds. */
export function time(value) {
  if (isMissing(value)) return NONE;
  return `${iso(value).slice(0, 16).replace("T", " ")}Z`;
}

/** "2021-04-20". */
export const day = (value) => (isMissing(value) ? NONE : iso(value).slice(0, 10));

/** "02:00". */
export const clock = (value) => (isMissing(value) ? NONE : iso(value).slice(11, 16));

/** Unix seconds of an ISO text. */
export const seconds = (text) => Date.parse(text) / 1000;

/** ISO text of Unix seconds, as the API takes it; an ISO text stays the instant that it is. */
export const iso = (value) => new Date(typeof value === "number" ? value * 1000 : value).toISOString();

/** Seconds as an age or a duration: "42 s", "3 min", "5.2 h", "12 d". */
export function duration(value) {
  if (isMissing(value)) return NONE;
  const size = Math.abs(value);
  if (size < 90) return `${digitsOf(value, 0)} s`;
  if (size < 5400) return `${digitsOf(value / 60, 0)} min`;
  if (size < 48 * 3600) return `${digitsOf(value / 3600, size < 36000 ? 1 : 0)} h`;
  return `${digitsOf(value / 86400, 0)} d`;
}

/** "1 minute", "1,440 minutes". */
export const counted = (n, noun) => `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;
