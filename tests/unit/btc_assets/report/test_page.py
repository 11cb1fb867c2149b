"""The page of a backtest: its figures are the results', it needs no network, and it hides nothing."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import msgspec
import polars as pl
import pytest

from btc_assets.report.page import Market, page
from btc_core.curve import drawdowns
from btc_core.strategy import load_strategy
from tests.reports import SPAN, backtest, market

SEEN = datetime(2024, 6, 10, 12, tzinfo=UTC)


class Reader(HTMLParser):
    """What a page holds: figures by section, tags, and the addresses that it names."""

    def __init__(self, text):
        super().__init__()
        self.figures, self.tags, self.addresses = {}, [], []
        self.section = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what a tag says."""
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [given[name] for name in ("href", "src", "action", "data", "xlink:href") if name in given]
        if tag == "section" and given.get("class") == "interval":
            self.section = given["id"]
        if "data-figure" in given:
            self.figures[self.section, given["data-figure"]] = given["value"]


@pytest.fixture(scope="module")
def minutes():
    """Three weeks of minutes with gaps."""
    return market()


@pytest.fixture(scope="module")
def done(minutes):
    """A backtest of them."""
    return backtest(minutes)


@pytest.fixture(scope="module")
def text(done, minutes):
    """Its page."""
    return page([done], Market(minutes, SEEN))


def test_the_figures_are_those_of_the_results(done, text):
    """To the last bit: what is rounded is the text alone."""
    figures = Reader(text).figures
    for name, value in msgspec.to_builtins(done.simulation.results).items():
        if name in ("accumulated", "average_cost", "dca_accumulated"):
            continue
        found = figures["i37m", name]
        assert (found or None) == (None if value is None else str(value)), name
        if isinstance(value, float):
            assert float(found) == value


def test_every_interval_has_a_section(minutes, done):
    """One file for all of them, each with its own figures and charts."""
    both = [done, backtest(minutes, "2h", n=2)]
    text = page(both, Market(minutes, SEEN))
    figures = Reader(text).figures
    for each in both:
        found = figures[f"i{each.request.interval}", "n_trades"]
        assert found == str(each.simulation.results.n_trades)
    assert text.count('class="chart"') >= 10


def test_it_needs_no_network_and_runs_no_script(text):
    """Addresses are places of the page itself, and the page forbids anything else."""
    read = Reader(text)
    assert all(address.startswith("#") for address in read.addresses)
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert "default-src 'none'" in text
    assert not re.search(r"url\((?!#)|@import", text)


def test_the_same_backtest_gives_the_same_page(minutes, text):
    """Only the id differs."""
    again = page([backtest(minutes, n=2)], Market(minutes, SEEN))
    assert again != text
    assert again.replace("-000000000002", "-000000000001") == text


def test_names_and_parameters_are_text(done, minutes):
    """A strategy of one's own may be called anything."""
    strategy = load_strategy("ma", {"period": 9})
    rule = replace(strategy.rule, description="<b>a & b</b>")
    hostile = replace(strategy, name="<script>alert(1)</script>", rule=rule, parameters={'"><img src=x>': 1})
    request = replace(done.request, strategy=hostile, symbol="</title><img>")
    read = Reader(page([replace(done, request=request)], Market(minutes, SEEN)))
    assert not {"script", "img", "b"} & set(read.tags)


def test_the_header_says_what_was_asked(text):
    """Strategy, parameters, range, the versions of data and code, costs."""
    for said in ("ma</span> on BTC", "period 9", "2024-05-20 00:00Z to 2024-06-09 00:00Z", "2024-06-10T12:00:00+00:00"):
        assert said in text
    assert "<dt>taker_bps</dt><dd>4.5</dd>" in text


def test_gaps_are_said_and_their_trades_listed(done, text):
    """A trade held while minutes were missing is less certain than it looks."""
    results = done.simulation.results
    assert results.n_trades_across_gaps > 0
    assert f"{results.n_missing_minutes:,} of {SPAN.n_minutes:,} minutes are missing" in text
    (table,) = re.findall(r'<table class="gaps">.*?</table>', text)
    assert table.count("<tr>") - 1 == results.n_trades_across_gaps


def test_a_whole_market_has_no_such_list():
    """What is not so is not said."""
    minutes = market(n_gaps=0)
    text = page([backtest(minutes)], Market(minutes, SEEN))
    assert "minutes are missing (" not in text
    assert "Trades across gaps" not in text


def test_the_deepest_drawdown_is_the_figure_s(done, text):
    """Table and figure are one thing."""
    start, equity = done.request.config.capital, done.simulation.equity
    time = pl.concat([pl.Series([SPAN.start], dtype=equity["time"].dtype), equity["time"]]).to_physical().to_numpy()
    worth = pl.concat([pl.Series([float(start)]), equity["equity"]]).to_numpy()
    depth = drawdowns(time, worth)["depth"]
    assert depth[0] == pytest.approx(done.simulation.results.max_drawdown, abs=1e-15)
    (table,) = re.findall(r'<table class="drawdowns">.*?</table>', text)
    assert re.findall(r"<td>([\d.]+%)</td>", table) == [f"{each:.2%}" for each in depth]


def test_the_months_make_up_the_year(done, text):
    """May and June, and the year is the return of the whole, since the range lies in one."""
    (table,) = re.findall(r'<table class="months">.*?</table>', text)
    titles = re.findall(r'title="([^"]+)"', table)
    assert len(titles) == 3
    assert titles[-1] == f"{done.simulation.results.total_return:+.2%}"


def test_the_costs_lead_from_the_price_to_what_was_left(done, text):
    """Gross, less slippage, fees and funding, is the profit; funding that nobody knows is a dash."""
    results = done.simulation.results
    (table,) = re.findall(r'<table class="costs">.*?</table>', text)
    cells = [cell.replace("−", "-").replace(",", "") for cell in re.findall(r"<td>([^<]*)</td>", table)][::2]
    assert cells[3] == "–"
    gross, slippage, fees, left = (float(cells[i]) for i in (0, 1, 2, 4))
    assert left == pytest.approx(results.total_pnl, abs=0.01)
    assert slippage == -0.0
    assert gross + slippage + fees == pytest.approx(left, abs=0.02)


def test_what_is_not_drawn_is_said(minutes):
    """Of many trades the largest are drawn on the price, and the last ones whole."""
    busy = backtest(minutes, "5m", load_strategy("ma", {"period": 3}))
    n_trades = busy.simulation.trades.height
    assert n_trades > 100
    text = page([busy], Market(minutes, SEEN))
    assert f"Of {n_trades:,} trades the 100 with the largest returns, either way, are drawn." in text
    assert "The last 30 trades" in text


def test_a_range_without_trades_has_a_page(minutes):
    """The figures are undefined, and no chart of trades is drawn."""
    still = backtest(minutes, strategy=load_strategy("ma", {"period": 900}))
    assert still.simulation.results.n_trades == 0
    text = page([still], Market(minutes, None))
    assert "There were no trades." in text
    assert Reader(text).figures["i37m", "win_rate"] == ""
    assert "Returns of trades" not in text


def test_an_account_that_is_lost_has_a_page(minutes):
    """Nothing is left to divide by."""
    lost = backtest(minutes, "5m", load_strategy("ma", {"period": 3}), leverage=40, taker_bps=100)
    text = page([lost], Market(minutes, SEEN))
    assert "positions were liquidated" in text


def test_coins_are_counted_in_spot_mode(minutes):
    """Accumulation has figures of its own."""
    spot = backtest(minutes, mode="spot")
    found = Reader(page([spot], Market(minutes, SEEN))).figures["i37m", "accumulated"]
    assert float(found) == spot.simulation.results.accumulated
