"""Funding rates and the terms of coins, through the exchange's own protocol, into the table and into a backtest."""

import asyncio
import json
import random
import time
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_assets.commands.funding import read_rates
from btc_core.errors import ExchangeError, ImportFileError
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.funding import SCHEMA, edges_of_funding, read_funding, store_funding
from btc_store.instruments import Instrument, store_instruments
from demo.exchange import serve_exchange
from demo.faults.answers import RestError
from demo.market import Market
from resources.exchange_funding import BURST, FIRST_TIME, PAGE, PAUSE_SECONDS, ExchangeFunding, parse_rates
from tests.derivation import made_minutes, store_minutes

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)
# More hours than one answer has.
SPAN = TimeRange(NOW - timedelta(hours=1_100), NOW)
HOUR = timedelta(hours=1)


async def asked(settings_for, function, url="postgresql://nobody@localhost/none"):
    """Return what a function of settings returns beside a demo exchange."""
    clock = ClockScale(sim=NOW.timestamp(), real=time.time(), rate=1)
    async with asyncio.timeout(60), serve_exchange(Market(seed=7, coins=("BTC",)), clock) as exchange:
        scale = f"{clock.sim},{clock.real},1"
        settings = settings_for(
            url, HYPERLIQUID_API_URL=exchange.api_url, HYPERLIQUID_WS_URL=exchange.ws_url, BTC_CLOCK=scale
        )
        return await asyncio.to_thread(function, settings, exchange)


async def test_every_hour_of_a_long_range_comes_once(settings_for):
    """Page by page: no hour twice, none left out."""
    pages = await asked(settings_for, lambda settings, _: list(ExchangeFunding(settings).rates("BTC", SPAN)))
    rates = pl.concat(pages)
    hours = rates["time"].dt.truncate("1h")
    assert len(pages) == 3
    assert hours.n_unique() == rates.height == 1_100
    assert rates["time"].is_sorted()
    assert rates["rate"].abs().max() < 0.01


async def test_nothing_is_asked_of_the_time_before_the_first_settlement(settings_for):
    """A launch of all months costs no questions for those that the exchange cannot know."""
    early = TimeRange(datetime(2017, 1, 1, tzinfo=UTC), FIRST_TIME)

    def told(settings, exchange):
        exchange.begin(RestError(status=502))
        return list(ExchangeFunding(settings).rates("BTC", early))

    assert await asked(settings_for, told) == []


async def test_many_questions_leave_the_collector_its_share(settings_for):
    """The first come at once, each later one waits."""
    waited = []

    def told(settings, _):
        exchange = ExchangeFunding(settings, sleep=waited.append)
        for _ in range(BURST + 3):
            exchange.terms()

    await asked(settings_for, told)
    assert waited == [PAUSE_SECONDS] * 3


def test_an_exchange_that_repeats_itself_is_not_asked_for_ever(settings_for, monkeypatch):
    """Full pages about another time are no progress."""
    rows = [{"coin": "BTC", "fundingRate": "0.1", "time": 1_000 + n} for n in range(PAGE)]
    monkeypatch.setattr("resources.exchange_funding.ask", lambda *_: msgspec.json.encode(rows))
    assert list(ExchangeFunding(settings_for("postgresql://nobody@localhost/none")).rates("BTC", SPAN)) == []


async def test_the_terms_of_a_coin(settings_for):
    """How fine its sizes are, and how much leverage there is."""
    terms = await asked(settings_for, lambda settings, _: ExchangeFunding(settings).terms())
    assert terms["BTC"].sz_decimals == 5
    assert terms["BTC"].max_leverage >= 3


async def test_an_exchange_in_trouble_is_an_error_that_says_so(settings_for):
    """Nothing is taken for an answer."""

    def refused(settings, exchange):
        exchange.begin(RestError(status=502))
        with pytest.raises(ExchangeError, match="502"):
            list(ExchangeFunding(settings).rates("BTC", SPAN))
        return True

    assert await asked(settings_for, refused)


def test_recorded_answers_are_read(shared):
    """As the real exchange gave them."""
    told = json.loads((shared / "hyperliquid/rest_fundingHistory_BTC.json").read_text())
    rates = parse_rates(msgspec.json.encode(told["response"]), "BTC")
    assert len(rates) == len(told["response"])
    assert rates[0].fundingRate == float(told["response"][0]["fundingRate"])


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"{}",
        b"oops",
        b'[{"coin": "ETH", "fundingRate": "0.1", "time": 1}]',
        b'[{"coin": "BTC", "fundingRate": "9", "time": 1}]',
        b'[{"coin": "BTC", "fundingRate": "nan", "time": 1}]',
        b'[{"coin": "BTC", "fundingRate": "0.1", "premium": "nan", "time": 1}]',
    ],
)
def test_an_answer_that_is_no_list_of_these_rates_is_refused(body):
    """Nobody pays what another coin costs."""
    with pytest.raises(ExchangeError):
        parse_rates(body, "BTC")


@pytest.mark.parametrize(
    "term", [{"szDecimals": 10**6}, {"szDecimals": -1}, {"maxLeverage": "nan"}, {"maxLeverage": -3}]
)
def test_terms_that_nothing_can_hold_are_refused(settings_for, monkeypatch, term):
    """An error that says so, and no exception of the engine's, or of the table."""
    coins = [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40} | term]
    monkeypatch.setattr("resources.exchange_funding.ask", lambda *_: msgspec.json.encode({"universe": coins}))
    with pytest.raises(ExchangeError, match="expected the terms of coins"):
        ExchangeFunding(settings_for("postgresql://nobody@localhost/none")).terms()


def rates(*pairs):
    """Return rates at hours after NOW, a second late as the exchange stamps them."""
    rows = [(NOW + n * HOUR + timedelta(seconds=1), rate, None) for n, rate in pairs]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_an_hour_is_settled_once(database_url):
    """Twice is once; a file does not replace what the exchange said, the exchange replaces a file."""
    with open_frames(database_url) as frames:
        assert store_funding(frames, "BTC", rates((0, 0.1), (1, 0.2)), "import:file") == 2
        assert store_funding(frames, "BTC", rates((0, 0.1), (1, 0.2)), "import:file") == 0
        assert store_funding(frames, "BTC", rates((1, 0.3)), "rest") == 1
        assert store_funding(frames, "BTC", rates((1, 0.4)), "import:file") == 0
        known = read_funding(frames, "BTC", TimeRange(NOW, NOW + 5 * HOUR))
        assert known["funding_rate"].to_list() == [0.1, 0.3]
        assert edges_of_funding(frames, "BTC") == (known["time"][0], known["time"][1])
        assert edges_of_funding(frames, "ETH") is None


@pytest.fixture
def btc(settings_for, database_url):
    """A function that runs the command line over six days of minutes."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(TimeRange(NOW, NOW + timedelta(days=6)), random.Random(4), n_gaps=2))
    settings = settings_for(database_url)
    return lambda *words: CliRunner().invoke(main, [*words, "--json"], obj=settings)


BACKTEST = ("backtest", "--symbol=BTC", "--intervals=1h", "--strategy=ma", "--param", "period=9", "--start=2025-03-03")


def test_a_backtest_pays_what_is_stored_and_is_found_again(btc, tmp_path):
    """Without rates it says so; with them they are paid; the same asked twice is computed once; --force computes it."""
    first = json.loads(btc(*BACKTEST).stdout)
    assert (first["funding_paid"], first["is_found"], first["funding_missing_hours"]) == (None, False, 144)
    file = tmp_path / "rates.csv"
    rows = "".join(f"{NOW + n * HOUR:%Y-%m-%dT%H:%M:%SZ},0.0001\n" for n in range(144))
    file.write_text("time,funding_rate\n" + rows)
    stored = json.loads(btc("funding", "--symbol=BTC", "--file", str(file)).stdout)
    assert (stored["n_rows"], stored["n_written"]) == (144, 144)
    paid = json.loads(btc(*BACKTEST).stdout)
    assert paid["funding_paid"] is not None
    assert (paid["funding_missing_hours"], paid["is_found"]) == (0, False)
    again, forced = json.loads(btc(*BACKTEST).stdout), json.loads(btc(*BACKTEST, "--force").stdout)
    assert (again["id"], again["is_found"]) == (paid["id"], True)
    assert (forced["id"] != paid["id"], forced["is_found"]) == (True, False)
    beside = ("id", "is_found")
    for other in (again, forced):
        assert {k: v for k, v in other.items() if k not in beside} == {k: v for k, v in paid.items() if k not in beside}


def test_a_recorded_archive_is_taken_whole(shared, database_url):
    """Every settlement of it, those that came minutes late among them; and every rate with all its bits."""
    file = next((shared / "data" / "funding").glob("*.parquet"))
    told = read_rates(file)
    with open_frames(database_url) as frames:
        assert store_funding(frames, "BTC", told, "import:archive") == pl.read_parquet(file).height
        span = TimeRange(told["time"][0], told["time"][-1] + HOUR)
        stored = read_funding(frames, "BTC", span)
    assert stored.equals(told.select("time", funding_rate="rate"))


@pytest.mark.parametrize("time", ["1683849600048", "1683849600048.0", "1683849600048000", "1.683849600048e+12"])
def test_times_may_be_whole_numbers(tmp_path, time):
    """Milliseconds since 1970, as the exchange itself writes them; pandas makes floats of them beside a gap."""
    (tmp_path / "rates.csv").write_text(f"time,fundingRate\n{time},-0.0006\n")
    assert read_rates(tmp_path / "rates.csv").row(0) == (datetime(2023, 5, 12, 0, 0, 0, 48_000, UTC), -0.0006, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,price\n2025-01-01T00:00:00Z,1\n", "expected the columns time and rate, found time, price"),
        ("time,rate\n2025-01-01T00:00:00Z,7\n", "expected a rate between -1 and 1"),
        ("time,rate\n2025-01-01T00:00:00Z,much\n", "expected numbers"),
        ("time,rate\nsoon,0.1\n", "found 'soon'"),
        ("time,rate\n,0.1\n2025-01-01T00:00:00Z,0.1\n", "expected times in ISO 8601 or whole seconds"),
        ("time,rate\n1735689600.5,0.1\n", "found 1735689600.5"),
        ("time,rate\nNaN,0.1\n1735689600.0,0.1\n", "found nan"),
        ("time,rate\ntrue,0.1\n", "found Boolean"),
        ("time,rate\n1960-01-01T00:00:00Z,0.1\n", "since 1970"),
    ],
)
def test_a_file_that_cannot_be_taken_is_a_sentence(btc, tmp_path, text, said):
    """Nothing of it is stored."""
    (tmp_path / "rates.csv").write_text(text)
    result = btc("funding", "--symbol=BTC", "--file", str(tmp_path / "rates.csv"))
    assert result.exit_code == 1
    assert said in result.stderr.replace("\n", " ")
    assert isinstance(result.exception, SystemExit | ImportFileError)


def test_leverage_above_the_coin_s_own_is_refused(btc, database_url):
    """As soon as the exchange has said what it gives."""
    with open_frames(database_url) as frames:
        store_instruments(frames, {"BTC": Instrument(coin="BTC", sz_decimals=5, max_leverage=3.0)})
    result = btc(*BACKTEST, "--leverage=5")
    assert result.exit_code == 2
    assert "at most 3, which is the exchange's maximum for this coin" in result.stderr.replace("\n", " ")
