"""The page itself: backtests in, one HTML file out, a section for each interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np
import polars as pl

from btc_assets.report import charts
from btc_assets.report.figures import UNDEFINED, figure_groups, shown_figure
from btc_assets.report.html import Html, document, element, joined, table
from btc_core.confidence import bootstrap
from btc_core.curve import drawdowns, monthly_returns, rolling_sharpe
from btc_core.metrics import Floats, Times, daily_equity, daily_returns, sharpe
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange, format_time
from btc_core.resample import resample
from btc_core.version import CODE_VERSION
from btc_store.backtests import Backtest

# More candles than these are too thin to be seen, more trades hide the price, more points each other.
MOST_CANDLES, MOST_TRADES, MOST_LAST_TRADES, MOST_POINTS, MOST_ROWS = 420, 100, 30, 800, 20
SHOWN_INTERVALS = ("1m", "5m", "15m", "1h", "4h", "12h", "1d", "3d", "7d", "14d", "30d")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Any will do; that it is fixed makes the same backtest the same page.
SEED = 1
# The months' colours are full at this return.
_FULL = 0.25


@dataclass(frozen=True, slots=True)
class Market:
    """What was traded: 1m candles of the range, ascending, and when the newest of them was written."""

    minutes: pl.DataFrame
    data_revision: datetime | None


def page_of(backtest: Backtest, minutes: pl.DataFrame) -> str:
    """Return the page of one backtest of stored data, for ``btc_store.backtests.run_backtest``."""
    assert backtest.version is not None, "it comes from a database"
    return page([backtest], Market(minutes, backtest.version.newest))


def page(backtests: Sequence[Backtest], market: Market) -> str:
    """Return a page about backtests of one strategy over the same range, one for each interval.

    It loads nothing and runs no script. The same backtests give the same bytes, apart from their ids.

    Args:
        backtests: At least one; of the same strategy, symbol and range.
        market: Its minutes in that range.
    """
    request = backtests[0].request
    title = f"{request.strategy.name} on {request.symbol}, {', '.join(b.request.interval.label for b in backtests)}"
    sections = [_section(backtest, market) for backtest in backtests]
    return document(title, _header(backtests, market), element("main", *sections), _footer())


def _header(backtests: Sequence[Backtest], market: Market) -> Html:
    request = backtests[0].request
    parameters = ", ".join(f"{name} {value}" for name, value in request.strategy.parameters.items())
    seen = market.data_revision
    facts = {
        "Parameters": parameters or "none",
        "Range": f"{format_time(request.range_.start)} to {format_time(request.range_.end)}",
        "Data version": UNDEFINED if seen is None else seen.isoformat(),
        "Code version": CODE_VERSION,
    }
    config = {name: UNDEFINED if value is None else str(value) for name, value in _config(backtests[0]).items()}
    links = [
        element("a", backtest.request.interval.label, href=f"#i{backtest.request.interval.label}")
        for backtest in backtests
    ]
    return element(
        "header",
        element("h1", element("span", request.strategy.name), " on ", request.symbol),
        element("p", request.strategy.rule.description, class_="what"),
        element("dl", *_terms(facts), class_="facts"),
        element(
            "details", element("summary", "Configuration"), element("dl", *_terms(config), class_="facts"), open=""
        ),
        element("nav", "Intervals: ", *links) if len(links) > 1 else "",
    )


def _config(backtest: Backtest) -> dict[str, object]:
    return msgspec.to_builtins(backtest.request.config)


def _terms(facts: dict[str, str]) -> list[Html]:
    return [element("div", element("dt", name), element("dd", text)) for name, text in facts.items()]


def _footer() -> Html:
    said = "A backtest is what would have been, on one past. docs/howto/read-a-report.md says how to read this page."
    return element("footer", element("p", said))


def _section(backtest: Backtest, market: Market) -> Html:
    simulation, label = backtest.simulation, backtest.request.interval.label
    time, equity = _curve(backtest)
    return element(
        "section",
        element("h2", f"{label} candles"),
        element("p", "Backtest ", element("code", str(backtest.id)), class_="id"),
        _notices(backtest),
        figure_groups(simulation.results),
        _confidence(time, equity),
        _equity(backtest, market, time, equity),
        element("h3", "Deepest drawdowns"),
        _drawdowns(time, equity),
        element("h3", "Return of each month, %"),
        _months(time, equity),
        _price(backtest, market),
        _halves(backtest, time, equity),
        element("h3", "Where the money went"),
        _costs(backtest),
        _across_gaps(simulation.trades),
        id=f"i{label}",
        class_="interval",
    )


def _curve(backtest: Backtest) -> tuple[Times, Floats]:
    """Return times (microseconds since 1970) and equity, from the capital at the start of the range."""
    equity, start = backtest.simulation.equity, backtest.request.range_.start
    time = pl.concat([pl.Series([start], dtype=equity["time"].dtype), equity["time"]])
    return time.to_physical().to_numpy(), np.concatenate(
        ([backtest.request.config.capital], equity["equity"].to_numpy())
    )


def _notices(backtest: Backtest) -> Html:
    """Say what makes the figures less certain than they look."""
    results, n_minutes = backtest.simulation.results, backtest.request.range_.n_minutes
    n_missing, n_across = results.n_missing_minutes, results.n_trades_across_gaps
    said = {
        f"{n_missing:,} of {n_minutes:,} minutes are missing ({n_missing / n_minutes:.2%}); "
        f"{n_across:,} trades were held while minutes were missing.": n_missing,
        f"{backtest.n_skipped:,} candles were too incomplete to decide on.": backtest.n_skipped,
        f"The funding rate of {results.funding_missing_hours:,} hours is unknown and counts as 0.": (
            results.funding_missing_hours
        ),
        f"{results.n_liquidations:,} positions were liquidated.": results.n_liquidations,
        f"{results.n_unfilled:,} orders were too small to be sent.": results.n_unfilled,
        "There were no trades.": not results.n_trades,
    }
    items = [element("li", text) for text, is_so in said.items() if is_so]
    return element("ul", *items, class_="notices") if items else Html()


def _confidence(time: Times, equity: Floats) -> Html:
    returns = daily_returns(daily_equity(time, equity))
    found = bootstrap(returns, sharpe, seed=SEED)
    if found is None:
        return element("p", "Too few days to say how certain the Sharpe ratio is.", class_="confidence")
    low, high = (shown_figure(end, "{:.2f}") for end in (found.low, found.high))
    said = "so luck alone may explain it." if found.low <= 0 <= found.high else "which does not hold 0."
    return element(
        "p",
        "With the days drawn anew 1,000 times, the Sharpe ratio lies between ",
        element("data", low, value=repr(found.low), data_figure="sharpe_low"),
        " and ",
        element("data", high, value=repr(found.high), data_figure="sharpe_high"),
        f" in 95 of 100 cases, {said}",
        class_="confidence",
    )


def _equity(backtest: Backtest, market: Market, time: Times, equity: Floats) -> Html:
    capital, minutes = backtest.request.config.capital, market.minutes
    curve = pl.DataFrame({"time": time, "equity": equity}).with_columns(pl.col("time").cast(pl.Datetime("us")))
    # The same question as `buy_and_hold_return`: from the first open to each close.
    hold = pl.DataFrame(
        {
            "time": pl.concat([minutes["time"].head(1), minutes["time"] + MINUTE]).dt.replace_time_zone(None),
            "equity": capital / minutes["open"][0] * np.append(minutes["open"][0], minutes["close"].to_numpy()),
        }
    )
    drawn = charts.equity_chart(curve, hold, label="Equity against buy and hold, with the drawdown below")
    return _figure("Equity", drawn, "Buy and hold is the same capital in the coin, free of costs. No peak is left out.")


def _drawdowns(time: Times, equity: Floats) -> Html:
    rows = [
        [
            format_time(row["start"]),
            format_time(row["valley"]),
            "not yet" if row["end"] is None else format_time(row["end"]),
            f"{row['depth']:.2%}",
            f"{row['days']:,.1f}",
        ]
        for row in drawdowns(time, equity).iter_rows(named=True)
    ]
    if not rows:
        return element("p", "The equity never fell below an earlier value.")
    return table(["from the peak", "deepest", "over", "depth", "days"], rows, class_="drawdowns")


def _months(time: Times, equity: Floats) -> Html:
    """Return a row for each year and a column for each month; the year is its months, one after the other."""
    years: dict[int, dict[int, float | None]] = {}
    for month, earned in monthly_returns(time, equity).iter_rows():
        years.setdefault(month.year, {})[month.month] = earned
    rows: list[list[str]] = []
    for year, months in years.items():
        known = [earned for earned in months.values() if earned is not None]
        whole = float(np.prod([1 + earned for earned in known]) - 1) if known else None
        cells = [_heat(months.get(n)) if n in months else Html("<td></td>") for n in range(1, 13)]
        rows.append([str(year), *cells, _heat(whole)])
    return table(["", *MONTHS, "year"], rows, class_="months")


def _heat(earned: float | None) -> Html:
    if earned is None:
        return element("td", UNDEFINED)
    share = round(min(abs(earned) / _FULL, 1) * 70)
    text = f"{earned * 100:+.1f}".replace("-", "\u2212")
    return element(
        "td", text, class_="up" if earned >= 0 else "down", style=f"--share:{share}%", title=f"{earned:+.2%}"
    )


def _price(backtest: Backtest, market: Market) -> Html:
    """Draw the whole range with its largest trades, and the last trades with all that belongs to them."""
    trades, range_ = backtest.simulation.trades, backtest.request.range_
    largest = trades.sort(pl.col("return").abs(), "seq", descending=[True, False]).head(MOST_TRADES).sort("seq")
    candles, interval = _candles(market.minutes, range_)
    said = f"Candles of {interval}."
    if trades.height > largest.height:
        said += f" Of {trades.height:,} trades the {largest.height} with the largest returns, either way, are drawn."
    drawn = charts.price_chart(candles, largest, label="Price with entries and exits of trades")
    parts = [_figure("Price and trades", drawn, said)]
    last = trades.tail(MOST_LAST_TRADES)
    if trades.height > largest.height:
        margin = max((last["exit_time"][-1] - last["entry_time"][0]) / 50, timedelta(minutes=5))
        start = max(range_.start, last["entry_time"][0] - margin)
        near, interval = _candles(market.minutes, TimeRange(start, range_.end))
        drawn = charts.price_chart(near, last, label="Price with the last trades")
        parts.append(_figure(f"The last {last.height} trades", drawn, f"Candles of {interval}; every trade is drawn."))
    return joined(*parts)


def _candles(minutes: pl.DataFrame, range_: TimeRange) -> tuple[pl.DataFrame, str]:
    """Return candles that are few enough to be seen, and their interval."""
    inside = minutes.filter(pl.col("time").is_between(range_.start, range_.end, closed="left"))
    for label in SHOWN_INTERVALS:
        interval = parse_interval(label)
        if interval.shortest * MOST_CANDLES >= range_.end - range_.start or label == SHOWN_INTERVALS[-1]:
            return resample(inside, interval), label
    raise AssertionError("the last interval is taken")


def _halves(backtest: Backtest, time: Times, equity: Floats) -> Html:
    """Return the smaller charts, two beside each other where there is room."""
    simulation = backtest.simulation
    trades, parts = simulation.trades, list[Html]()
    if trades.height:
        returns = trades["return"].to_numpy()
        drawn = charts.returns_chart(returns, label="Distribution of the returns of trades")
        said = "All trades, after costs; the outermost bars hold what is beyond them."
        parts.append(_figure("Returns of trades", drawn, said))
        step = -(-trades.height // MOST_POINTS)
        drawn = charts.excursion_chart(trades.gather_every(step), label="Excursions of trades against and with them")
        said = "How far the price went while a trade was held." + (
            f" One trade in {step} is drawn." if step > 1 else ""
        )
        parts.append(_figure("Excursions", drawn, said))
    drawn = charts.exposure_chart(simulation.equity, label="Mean exposure, long and short")
    parts.append(_figure("Exposure", drawn, "The mean of equally many candles; 1 is the whole equity."))
    ratios = rolling_sharpe(daily_returns(daily_equity(time, equity)))
    if any(ratio is not None for ratio in ratios):
        days = np.datetime64(int(time[0]), "us").astype("datetime64[D]") + np.arange(1, len(ratios) + 1)
        drawn = charts.sharpe_chart(days, ratios, label="Sharpe ratio of the last 90 days")
        parts.append(_figure("Sharpe ratio as it went", drawn, "Of the last 90 days, at each day."))
    return element("div", *parts, class_="halves")


def _figure(title: str, drawn: Html, said: str) -> Html:
    scrolled = element("div", drawn, class_="canvas", tabindex="0")
    return element("figure", element("h3", title), scrolled, element("figcaption", said))


def _costs(backtest: Backtest) -> Html:
    """Return the way from what the price gave to what was left."""
    results, config = backtest.simulation.results, backtest.request.config
    funding = results.funding_paid
    gross = results.total_pnl + results.fees_paid + results.slippage_paid + (funding or 0.0)
    amounts: list[tuple[str, float | None]] = [
        ("gained by the price", gross),
        ("slippage", -results.slippage_paid),
        ("fees", -results.fees_paid),
        ("funding", None if funding is None else -funding),
        ("left", results.total_pnl),
    ]
    rows = [[name, _money(amount), _share(amount, config.capital)] for name, amount in amounts]
    slips = config.slippage_bps or config.slippage_range
    return joined(
        table(["", "quote currency", "of the capital"], rows, class_="costs"),
        "" if slips else element("p", "No slippage was assumed.", class_="note"),
    )


def _money(amount: float | None) -> str:
    return shown_figure(amount, "{:+,.2f}")


def _share(amount: float | None, capital: float) -> str:
    return shown_figure(None if amount is None else amount / capital, "{:+.2%}")


def _across_gaps(trades: pl.DataFrame) -> Html:
    """Return the trades that were held while minutes were missing, the longest gaps first."""
    flagged = trades.filter(pl.col("missing_minutes") > 0).sort("missing_minutes", "seq", descending=[True, False])
    if not flagged.height:
        return Html()
    rows = [
        [
            format_time(row["entry_time"]),
            format_time(row["exit_time"]),
            row["side"],
            _money(row["pnl"]),
            f"{row['missing_minutes']:,}",
        ]
        for row in flagged.head(MOST_ROWS).iter_rows(named=True)
    ]
    more = flagged.height - len(rows)
    return joined(
        element("h3", "Trades across gaps"),
        table(["entry", "exit", "side", "gain", "missing minutes"], rows, class_="gaps"),
        element("p", f"And {more:,} with fewer missing minutes.", class_="note") if more else "",
    )
