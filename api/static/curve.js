// Equity curves with their drawdown below: of one backtest in money, of several as growth, so that they can be compared.

import { seconds } from "./format.js";
import { BaselineSeries, LineSeries, PRICES, createChart, themed } from "./lightweight.js";
import { colour, onTheme } from "./theme.js";

const COLOURS = ["series-3", "series-1"];
const DRAWDOWN_SHARE = 0.4;
// As the library numbers its styles of lines.
const DASHED = 2;

/** A chart for backtests: [{points: [{time, equity, drawdown}], capital}]. */
export class Curve {
  constructor(element) {
    this.element = element;
    this.chart = createChart(element, { handleScroll: true, handleScale: true });
    this.lines = [];
    this.hold = null;
    onTheme(() => this.recolour());
  }

  /** Draw these and no others; `hold` is what buying and holding was worth beside a single one. */
  draw(backtests, hold = null) {
    for (const { equity, drawdown } of this.lines) [equity, drawdown].forEach((series) => this.chart.removeSeries(series));
    if (this.hold) this.chart.removeSeries(this.hold);
    // What lies beneath is drawn first.
    this.hold = hold && this.#hold(hold);
    this.lines = backtests.map(({ points, capital }) => this.#line(points, capital, backtests.length > 1));
    this.chart.panes()[1]?.setStretchFactor(DRAWDOWN_SHARE);
    this.recolour();
    this.chart.timeScale().fitContent();
    this.element.dataset.points = backtests.map(({ points }) => points.length).join(" ");
  }

  recolour() {
    this.chart.applyOptions({ ...themed(), rightPriceScale: { borderVisible: false, minimumWidth: 72 } });
    this.hold?.applyOptions({ color: colour("faint") });
    this.lines.forEach(({ equity, drawdown }, i) => {
      const own = colour(COLOURS[i]);
      equity.applyOptions({ color: own });
      drawdown.applyOptions({ bottomLineColor: own, bottomFillColor1: `${own}18`, bottomFillColor2: `${own}55`, topLineColor: own });
    });
  }

  #hold(points) {
    const series = this.chart.addSeries(LineSeries, { lineWidth: 1, lineStyle: DASHED, priceLineVisible: false, lastValueVisible: false, priceFormat: PRICES }, 0);
    series.setData(points.map((row) => ({ time: seconds(row.time), value: row.equity })));
    return series;
  }

  #line(points, capital, isCompared) {
    const percents = { type: "custom", minMove: 0.01, formatter: (value) => `${value.toFixed(Math.abs(value) < 100 ? 1 : 0)}%`.replace("-", "−") };
    const plain = { lineWidth: 2, priceLineVisible: false };
    const equity = this.chart.addSeries(LineSeries, { ...plain, priceFormat: isCompared ? percents : PRICES }, 0);
    const drawdown = this.chart.addSeries(BaselineSeries, { ...plain, lineWidth: 1, baseValue: { type: "price", price: 0 }, lastValueVisible: false, priceFormat: percents }, 1);
    const at = (row) => seconds(row.time);
    equity.setData(points.map((row) => ({ time: at(row), value: isCompared ? (row.equity / capital - 1) * 100 : row.equity })));
    drawdown.setData(points.map((row) => ({ time: at(row), value: -Math.abs(row.drawdown) * 100 })));
    return { equity, drawdown };
  }
}
