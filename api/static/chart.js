// The candle chart: draws what it is given and says what the reader does with it. It loads nothing.

import { decimalsOf } from "./format.js";
import { CandlestickSeries, HistogramSeries, PRICES, createChart, createSeriesMarkers, themed } from "./lightweight.js";
import { colour, onTheme } from "./theme.js";

// Candles from the left edge at which older ones are asked for.
const NEAR = 200;
const VOLUME_SHARE = 0.16;
const N_SHOWN = 160;
const ZOOM = 0.75;

/** One chart for as long as the page lives; `onEdge` when the left end comes near, `onMarker(id)`, `onHover(time)`. */
export class CandleChart {
  constructor(element, { onEdge, onMarker, onHover, onMove }) {
    this.element = element;
    this.chart = createChart(element);
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.volume = this.chart.addSeries(HistogramSeries, { priceScaleId: "volume", lastValueVisible: false, priceLineVisible: false });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 1 - VOLUME_SHARE, bottom: 0 } });
    this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.1, bottom: VOLUME_SHARE + 0.04 } });
    this.markers = createSeriesMarkers(this.candles, []);
    this.scale = this.chart.timeScale();
    this.chart.subscribeClick((event) => event.hoveredInfo?.objectId && onMarker(event.hoveredInfo.objectId));
    this.chart.subscribeCrosshairMove((event) => onHover(event.time ?? null));
    this.scale.subscribeVisibleLogicalRangeChange((range) => {
      if (range && this.isNearEdge(range)) onEdge();
      onMove(this.isAtEnd());
    });
    element.addEventListener("keydown", (event) => this.#key(event));
    onTheme(() => this.recolour());
    this.n = 0;
    this.recolour();
  }

  /** Whether the left end of what there is comes near. */
  isNearEdge(range = this.scale.getVisibleLogicalRange()) {
    return range !== null && range.from < NEAR && this.n > 0;
  }

  /** Draw these candles (`Candles`); what is looked at stays where it is, unless it is another market. */
  draw(candles, { isNew = false } = {}) {
    const points = candles.drawn();
    this.n = points.length;
    this.candles.applyOptions({ priceFormat: formatOf(candles.last) });
    this.candles.setData(points);
    this.volume.setData(candles.rows.map((row) => this.#volume(row)));
    if (isNew) {
      this.candles.priceScale().applyOptions({ autoScale: true });
      this.toEnd();
    }
    this.#say(candles);
  }

  /** Draw the last candle alone. */
  update(candles, point) {
    this.candles.update(point);
    this.volume.update(this.#volume(candles.last));
    this.n = this.scale.timeToIndex(point.time, true) + 1;
    this.#say(candles);
  }

  /** Draw markers: [{id, ids, at, way: "up"|"down"|"", text}], ascending. */
  mark(decisions, chosen) {
    this.markers.setMarkers(decisions.map((each) => ({
      id: each.id, time: each.at, text: each.text, size: each.ids.includes(chosen) ? 2 : 1,
      position: each.way === "down" ? "aboveBar" : "belowBar",
      shape: each.way === "up" ? "arrowUp" : each.way === "down" ? "arrowDown" : "circle",
      color: each.ids.includes(chosen) ? colour("accent") : colour(each.way || "faint"),
    })));
    this.element.dataset.markers = decisions.length;
  }

  /** Bring a time into view. */
  reveal(at) {
    const index = this.scale.timeToIndex(at, true);
    const range = this.scale.getVisibleLogicalRange();
    if (index === null || !range || (index > range.from + 3 && index < range.to - 3)) return;
    const half = (range.to - range.from) / 2;
    this.scale.setVisibleLogicalRange({ from: index - half, to: index + half });
  }

  /** Show the newest candles, as many as fit well. */
  toEnd() {
    const n = Math.min(N_SHOWN, Math.max(30, this.element.clientWidth / 6));
    this.scale.setVisibleLogicalRange({ from: this.n - n, to: this.n + 4 });
  }

  isAtEnd() {
    const range = this.scale.getVisibleLogicalRange();
    return !range || range.to > this.n - 2;
  }

  recolour() {
    this.chart.applyOptions(themed());
    const [up, down] = [colour("up-fill"), colour("down-fill")];
    this.candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    this.volume.applyOptions({ color: colour("strong-line") });
  }

  #volume(row) {
    return { time: row.at, value: row.volume };
  }

  /** What is drawn, on the element itself: for people who look with tools, and for tests. */
  #say(candles) {
    const { first, last, rows, symbol, interval } = candles;
    Object.assign(this.element.dataset, { symbol, interval, candles: rows.length, first: first?.time ?? "", last: last?.time ?? "", close: last?.close ?? "" });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const range = this.scale.getVisibleLogicalRange();
    if (!range) return;
    const n = range.to - range.from;
    const moves = {
      "+": () => this.#zoom(range, ZOOM), "=": () => this.#zoom(range, ZOOM), "-": () => this.#zoom(range, 1 / ZOOM),
      PageUp: () => this.#move(range, -n / 2), PageDown: () => this.#move(range, n / 2), End: () => this.toEnd(),
      Home: () => this.#move(range, -range.from),
    };
    if (!moves[event.key]) return;
    moves[event.key]();
    event.preventDefault();
  }

  #zoom(range, factor) {
    const from = range.to - (range.to - range.from) * factor;
    this.scale.setVisibleLogicalRange({ from, to: range.to });
  }

  #move(range, by) {
    this.scale.setVisibleLogicalRange({ from: range.from + by, to: range.to + by });
  }
}

function formatOf(row) {
  return { ...PRICES, minMove: 10 ** -(row ? decimalsOf(row.close) : 2) };
}
