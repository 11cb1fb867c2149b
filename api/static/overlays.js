// Indicators on a chart: those in prices lie over the candles, the others have panes of their own below.

import { all } from "./api.js";
import { seconds } from "./format.js";
import { HistogramSeries, LineSeries, PRICES } from "./lightweight.js";
import { colour } from "./theme.js";

const N_COLOURS = 6;
const PANE_SHARE = 0.28;

/** Indicators of one chart. `wanted` are entries of /symbols; the n-th of all configured has the n-th colour. */
export class Overlays {
  constructor(chart, symbol, interval, signal) {
    Object.assign(this, { chart, symbol, interval, signal, drawn: new Map() });
  }

  /** Show these and no others, for candles from `start` on. */
  async show(wanted, start) {
    for (const name of [...this.drawn.keys()]) if (!wanted.some((each) => each.name === name)) this.#drop(name);
    await Promise.all(wanted.filter((each) => !this.drawn.has(each.name)).map((each) => this.#add(each, start)));
  }

  /** Load what lies before, once older candles are there. */
  async extend(start) {
    await Promise.all([...this.drawn.values()].map((one) => this.#load(one, start)));
  }

  /** Load values since the newest ones. */
  async refresh() {
    await Promise.all([...this.drawn.values()].map((one) => this.#load(one, one.newest ?? one.start, { isNewer: true })));
  }

  /** Colours anew, after the theme has changed. */
  recolour() {
    for (const one of this.drawn.values()) for (const line of one.lines.values()) line.series.applyOptions({ color: this.#colourOf(one, line) });
  }

  /** What the lines say at a time: [{label, value, dot}]. */
  valuesAt(at) {
    return [...this.drawn.values()].flatMap((one) => [...one.lines].map(([label, line]) => (
      { label, value: line.points.get(at), dot: (one.entry.n % N_COLOURS) + 1 })));
  }

  async #add(entry, start) {
    const isOverlay = entry.drawn === "overlay";
    const pane = isOverlay ? 0 : this.chart.panes().length;
    const one = { entry, start, lines: new Map(), newest: null };
    entry.outputs.forEach((output, i) => one.lines.set(output, { ...this.#line(entry, output, i, pane), points: new Map() }));
    this.drawn.set(entry.name, one);
    if (!isOverlay) this.chart.panes()[pane]?.setStretchFactor(PANE_SHARE);
    await this.#load(one, start);
  }

  #line(entry, output, i, pane) {
    const isHistogram = output.endsWith(".histogram");
    const options = { priceFormat: PRICES, lastValueVisible: i === 0, priceLineVisible: false, crosshairMarkerVisible: false };
    const style = isHistogram ? { base: 0 } : { lineWidth: i === 0 ? 2 : 1, lineStyle: i === 0 ? 0 : 2 };
    const series = this.chart.addSeries(isHistogram ? HistogramSeries : LineSeries, { ...options, ...style }, pane);
    const line = { series, isHistogram };
    series.applyOptions({ color: this.#colourOf({ entry }, line) });
    return line;
  }

  #colourOf(one, line) {
    return colour(line.isHistogram ? "strong-line" : `series-${(one.entry.n % N_COLOURS) + 1}`);
  }

  async #load(one, start, { isNewer = false } = {}) {
    const end = isNewer ? null : one.oldest;
    const parameters = { symbol: this.symbol, interval: this.interval, name: [...one.lines.keys()], start, end };
    const rows = await all("indicators", parameters, { signal: this.signal });
    for (const row of rows) one.lines.get(row.indicator_name)?.points.set(seconds(row.time), row.value);
    if (rows.length > 0 && (isNewer || one.newest === null)) one.newest = rows.at(-1).time;
    if (!isNewer) one.oldest = start;
    for (const line of one.lines.values()) line.series.setData(pointsOf(line));
  }

  #drop(name) {
    for (const line of this.drawn.get(name).lines.values()) this.chart.removeSeries(line.series);
    this.drawn.delete(name);
  }
}

function pointsOf(line) {
  return [...line.points].sort(([a], [b]) => a - b).map(([time, value]) => ({ time, value }));
}
