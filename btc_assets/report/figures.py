"""The figures of a report: their names, how they are shown, and what they mean in plain words."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from btc_assets.report.html import Html, element
from btc_core.model.backtest import BacktestResults
from btc_core.model.timerange import format_time

GAIN, SHARE, MONEY, COUNT, RATIO, DAYS = "{:+.2%}", "{:.2%}", "{:,.2f}", "{:,}", "{:.2f}", "{:,.1f} days"
UNITS = "{:,.8f}"
UNDEFINED = "–"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: the field of ``BacktestResults``, its title, its format and what it means."""

    name: str
    title: str
    pattern: str
    meaning: str


GROUPS: dict[str, tuple[Figure, ...]] = {
    "Result": (
        Figure("total_return", "Return", GAIN, "What the capital gained over the whole range, after all costs."),
        Figure("final_equity", "Final equity", MONEY, "What the account is worth at the end."),
        Figure("total_pnl", "Profit and loss", MONEY, "The sum of all trades, after fees and funding."),
        Figure("cagr", "Return a year", GAIN, "The steady yearly growth that leads to the same end (CAGR)."),
        Figure(
            "buy_and_hold_return", "Buy and hold", GAIN, "What buying at the start and waiting gains, free of costs."
        ),
        Figure("dca_return", "Bought daily", GAIN, "What buying for equal money every day gains on the money spent."),
    ),
    "Risk": (
        Figure("max_drawdown", "Deepest drawdown", SHARE, "The deepest fall below an earlier highest equity."),
        Figure("max_drawdown_days", "Longest drawdown", DAYS, "The longest time from a peak until it is seen again."),
        Figure("sharpe", "Sharpe ratio", RATIO, "Mean daily return for its ups and downs, a year; above 1 is good."),
        Figure("sortino", "Sortino ratio", RATIO, "The same where only falls count as risk."),
        Figure("calmar", "Calmar ratio", RATIO, "Return a year for each part of the deepest drawdown."),
        Figure("n_liquidations", "Liquidations", COUNT, "How often the exchange took the position and its margin."),
    ),
    "Trades": (
        Figure("n_trades", "Trades", COUNT, "From flat to flat; a reversal ends one and begins the next."),
        Figure("win_rate", "Won", SHARE, "The share of trades that gained after fees and funding."),
        Figure("profit_factor", "Profit factor", RATIO, "Money won for each unit of money lost; below 1 loses."),
        Figure("expectancy", "Mean trade", MONEY, "What a trade gained on average, in money."),
        Figure("avg_trade_return", "Mean trade return", "{:+.3%}", "The same as a part of what the trade was worth."),
        Figure("n_trades_across_gaps", "Across gaps", COUNT, "Trades held while minutes are missing: less certain."),
    ),
    "Exposure and costs": (
        Figure("exposure_time", "Time in the market", SHARE, "The share of the range in which a position was held."),
        Figure("avg_exposure", "Mean exposure", RATIO, "Size of the position against the equity, on average."),
        Figure("turnover", "Turnover", "{:,.1f} ×", "How often the account's worth was bought or sold."),
        Figure("fees_paid", "Fees", MONEY, "All fees; they are in the return already."),
        Figure("slippage_paid", "Slippage", MONEY, "What fills lost to the market's prices; it is in the prices."),
        Figure("funding_paid", "Funding", MONEY, "Paid for holding the perpetual; negative is received; – is unknown."),
        Figure("n_unfilled", "Too small", COUNT, "Orders that were not sent, because the exchange refuses such sizes."),
    ),
    "Data": (
        Figure("start_time", "From", "", "Where the simulation starts; UTC."),
        Figure("end_time", "To", "", "Where it ends; UTC. This instant is not part of it."),
        Figure("n_candles", "Candles decided on", COUNT, "Each of them was a decision, also to do nothing."),
        Figure("n_missing_minutes", "Missing minutes", COUNT, "Minutes of the range that are not stored."),
        Figure("funding_missing_hours", "Unknown funding", "{:,} h", "Hours whose rate is unknown; they count as 0."),
        Figure(
            "dca_average_cost", "Cost bought daily", MONEY, "What one coin costs, bought for equal money every day."
        ),
    ),
    "Accumulation": (
        Figure("accumulated", "Coins", UNITS, "Coins held when the range ended."),
        Figure("average_cost", "Cost of a coin", MONEY, "What a coin cost on average, fees included."),
        Figure("dca_accumulated", "Coins bought daily", UNITS, "Coins that the same money buys in equal daily parts."),
    ),
}


def figure_groups(results: BacktestResults) -> Html:
    """Return all figures in their groups; those of accumulation where the coin itself was traded."""
    shown = {
        title: group for title, group in GROUPS.items() if title != "Accumulation" or results.accumulated is not None
    }
    groups = (
        element("section", element("h3", title), element("dl", *(_card(figure, results) for figure in group)))
        for title, group in shown.items()
    )
    return element("div", *groups, class_="figures")


def shown_figure(value: float | datetime | None, pattern: str) -> str:
    """Return a figure as people read it; what is undefined is a dash."""
    if value is None:
        return UNDEFINED
    return format_time(value) if isinstance(value, datetime) else pattern.format(value).replace("-", "\u2212")


def _card(figure: Figure, results: BacktestResults) -> Html:
    value = getattr(results, figure.name)
    # The attribute has every bit; the text is rounded.
    exact = "" if value is None else str(msgspec.to_builtins(value))
    shown = element("data", shown_figure(value, figure.pattern), value=exact, data_figure=figure.name)
    is_lost = figure.pattern in (GAIN, "{:+.3%}") and value is not None and value < 0
    return element(
        "div",
        element("dt", figure.title),
        element("dd", shown, class_="lost" if is_lost else ""),
        element("dd", figure.meaning, class_="meaning", role="tooltip"),
        tabindex="0",
    )
