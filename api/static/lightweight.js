// The chart library under one name; its version is in its file's (vendor/README.md). And how every chart of ours looks.

import * as library from "./vendor/lightweight-charts-5.2.1.js";
import { price, time } from "./format.js";
import { colour } from "./theme.js";

export const { createSeriesMarkers, CandlestickSeries, LineSeries, BaselineSeries, HistogramSeries } = library;

/** Return a chart in an element, in the theme's colours. The attribution is in the page's foot. */
export function createChart(element, options = {}) {
  return library.createChart(element, { autoSize: true, ...themed(), ...options });
}

/** How prices and money stand at an axis. */
export const PRICES = { type: "custom", minMove: 0.01, formatter: (value) => price(value).replace(/\.00$/, "") };

/** Return the options that hang on the theme. */
export function themed() {
  const line = { color: colour("strong-line"), labelBackgroundColor: colour("soft") };
  return {
    layout: {
      background: { color: colour("card") }, textColor: colour("faint"), fontSize: 11, attributionLogo: false,
      fontFamily: getComputedStyle(document.body).fontFamily,
      panes: { separatorColor: colour("line"), separatorHoverColor: colour("raised"), enableResize: true },
    },
    grid: { vertLines: { color: colour("grid") }, horzLines: { color: colour("grid") } },
    crosshair: { mode: 0, vertLine: line, horzLine: line },
    rightPriceScale: { borderColor: colour("line") },
    timeScale: { borderColor: colour("line"), timeVisible: true, secondsVisible: false, minBarSpacing: 0.3 },
    localization: { locale: "en-GB", timeFormatter: time },
  };
}
