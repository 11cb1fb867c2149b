"""Paper accounts in the tables: whoever decides takes them further, and they end as in one pass, whatever happened."""

import dataclasses
from datetime import UTC, datetime, timedelta
from random import Random

import dagster as dg
import msgspec
import polars as pl
import pytest

from benchmarks.one_pass import differences, query
from btc_core.config import PaperConfig, parse_config
from btc_core.errors import SymbolError
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.derive import Provenance, Written
from btc_store.frames import Frames, open_frames
from btc_store.funding import FROM_EXCHANGE, SCHEMA, store_funding
from btc_store.paper import follow
from live.plan import plan_of
from live.work import look
from tests.conftest import SEEDS
from tests.dagster_runs import days, run_derive
from tests.derivation import made_minutes, note_no_trade, store_minutes
from tests.live_lane import between, follow_all, one_pass, posted, settle, small_config

SPAN = TimeRange(datetime(2021, 1, 30, 20, tzinfo=UTC), datetime(2021, 2, 1, 6, tzinfo=UTC))
HOUR = timedelta(hours=1)
ACCOUNTS = """SELECT strategy, interval, started_at, through, state::text, cash, equity, drawdown, exposure, wanted,
  quantity, entry_price, entry_time, price, n_trades, n_unfilled, fees, funding, n_restarts
FROM paper_accounts WHERE symbol = $1 ORDER BY strategy, interval"""
TRADES = """SELECT strategy, interval, seq, side, entry_time, entry_price, exit_time, exit_price, quantity, pnl, fees,
  return, exit_reason, funding, mae, mfe, missing_minutes
FROM paper_trades WHERE symbol = $1 ORDER BY strategy, interval, seq"""
EQUITY = """SELECT strategy, interval, time, equity, drawdown, exposure, wanted, price
FROM paper_equity WHERE symbol = $1 ORDER BY strategy, interval, time"""


def config_with(**paper):
    """Return a small house with accounts of these terms."""
    tree = msgspec.to_builtins(small_config("BTC"))
    tree["intervals"] = ["5m", "37m", "1h"]
    tree["indicators"] = {}
    tree["strategies"] = {
        "ma": {"intervals": ["37m", "1h"], "parameters": {"period": 3}},
        "trailing_stop": {"intervals": ["5m"], "parameters": {"entry": 3, "period": 2, "multiple": 1}},
    }
    return parse_config({**tree, "paper": {"min_notional": 0, **paper}})


SINCE = plan_of(config_with(start="2021-01-31", stop_bps=150, delay_minutes=2, sz_decimals=4))


@pytest.fixture
def frames(database_url):
    """A connection of this test's database."""
    with open_frames(database_url) as opened:
        yield opened


def accounts(frames, symbol="BTC"):
    """Return what the tables say of the accounts of a symbol, by table."""
    return {name: query(frames, sql, symbol) for name, sql in (("a", ACCOUNTS), ("t", TRADES), ("e", EQUITY))}


def rates(first, n):
    """Return hourly funding, large enough to be seen."""
    rows = [(first + k * HOUR + timedelta(milliseconds=k), 1e-4 * (k % 5 - 1), None) for k in range(n)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


class Dying(Frames):
    """A connection on which the n-th statement that writes fails."""

    def __init__(self, frames: Frames, n: int) -> None:
        super().__init__(frames._connection)
        self.n_left = n

    def run(self, name: str, *values, **tables) -> int:
        """Execute a statement that writes, then perhaps fail."""
        n_rows = super().run(name, *values, **tables)
        self.n_left -= 1
        if self.n_left == 0:
            raise RuntimeError("the lane dies")
        return n_rows


class Counting(Frames):
    """A connection that remembers which minutes were read."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(frames._connection)
        self.n_read = 0

    def read(self, name: str, *values) -> pl.DataFrame:
        """Return what a statement answers."""
        found = super().read(name, *values)
        self.n_read += found.height
        return found


@pytest.mark.parametrize("seed", SEEDS)
def test_however_the_time_line_is_cut_an_account_ends_as_in_one_pass(frames, seed):
    """Laws 5, 9, 10: minutes late, corrected and without trades, late funding, lanes that die or come twice."""
    chance = Random(seed)
    minutes = made_minutes(SPAN, chance, n_gaps=5, longest_gap=40)
    late = minutes.filter(pl.Series([chance.random() < 0.03 for _ in range(minutes.height)]))
    wrong = minutes.filter(pl.Series([chance.random() < 0.02 for _ in range(minutes.height)])).with_columns(
        pl.col("high") + 1.5, low=pl.col("low") - 1.5
    )
    now, n_died = SPAN.start, 0
    store_minutes(frames, "BTC", pl.concat([between(wrong, SPAN.start, SPAN.start + 4 * HOUR)]))
    while now < SPAN.end:
        before, now = now, min(now + chance.choice([1, 5, 37, 60, 240]) * MINUTE, SPAN.end)
        arrived = between(minutes.join(late, on="time", how="anti"), before, now)
        store_minutes(frames, "BTC", between(wrong, before, now))
        store_minutes(frames, "BTC", arrived.join(wrong, on="time", how="anti"))
        actor = chance.choice(["lane", "lane", "run", "nobody", "dying"])
        if actor == "dying":
            try:
                settle(Dying(frames, chance.randint(1, 25)), SINCE, now=now)
            except (RuntimeError, SymbolError):
                n_died += 1
        elif actor == "lane":
            settle(frames, SINCE, now=now)
        elif actor == "run":
            look(frames, SINCE, now=now)
            follow_all(frames, SINCE, "BTC", TimeRange(now - chance.choice([1, 9]) * HOUR, now), now=now)
        if chance.random() < 0.1:
            store_minutes(frames, "BTC", between(minutes, SPAN.start, now).sample(fraction=0.3, seed=seed))
        if chance.random() < 0.1:
            store_funding(frames, "BTC", rates(SPAN.start, (now - SPAN.start) // HOUR), FROM_EXCHANGE)
    store_minutes(frames, "BTC", minutes)
    store_funding(frames, "BTC", rates(SPAN.start, 36), FROM_EXCHANGE)
    gap = TimeRange(SPAN.start + 9 * HOUR, SPAN.start + 20 * HOUR)
    note_no_trade(frames, "BTC", [gap])
    settle(frames, SINCE, now=SPAN.end + HOUR)
    store_minutes(frames, "ONE", minutes)
    store_funding(frames, "ONE", rates(SPAN.start, 36), FROM_EXCHANGE)
    note_no_trade(frames, "ONE", [gap])
    one_pass(frames, SINCE, "ONE", [SPAN], now=SPAN.end + HOUR)
    follow_all(frames, SINCE, "ONE", SPAN, now=SPAN.end + HOUR)
    ends = accounts(frames), accounts(frames, "ONE")
    assert differences(*ends) == {}
    assert ends[0]["a"].height == 3
    assert min(ends[0]["t"].height, ends[0]["e"].height) > 10
    assert n_died > 0
    # Twice is once.
    assert follow_all(frames, SINCE, "BTC", SPAN, now=SPAN.end + HOUR).n_rows == ends[0]["e"].height
    assert differences(accounts(frames), ends[0]) == {}


def test_an_account_begins_when_it_is_opened(frames):
    """With the decision at whose close it is opened; what was decided before is not followed (no hindsight)."""
    plan, minutes = plan_of(config_with()), made_minutes(SPAN, Random(3), n_gaps=0)
    noon = SPAN.start + 16 * HOUR
    store_minutes(frames, "BTC", between(minutes, SPAN.start, noon))
    settle(frames, plan, now=noon + timedelta(seconds=1))
    first = accounts(frames)
    assert set(first["a"]["started_at"]) == {noon - MINUTE}
    assert first["e"].select("strategy", "interval", "time").rows() == [
        ("ma", "1h", noon),
        ("trailing_stop", "5m", noon),
    ]
    store_minutes(frames, "BTC", between(minutes, noon, noon + HOUR))
    settle(frames, plan, now=noon + HOUR)
    later = accounts(frames)
    assert set(later["a"]["started_at"]) == {noon - MINUTE}
    assert later["a"].filter(strategy="ma", interval="1h")["through"].to_list() == [noon + HOUR]
    assert later["e"].filter(strategy="trailing_stop").height == 13
    told = {report.asset_key: report for report in posted(frames)}
    # The one that was known when it was opened is marked again: a minute that is missing then may come.
    assert told["paper/trailing_stop"].metadata["rows derived"] == 13


def test_other_terms_open_an_account_anew(frames):
    """A curve of two configurations would be nobody's: the account begins again, and says how often it did."""
    minutes, noon = made_minutes(SPAN, Random(4), n_gaps=0), SPAN.start + 16 * HOUR
    store_minutes(frames, "BTC", between(minutes, SPAN.start, noon))
    settle(frames, SINCE, now=noon)
    assert accounts(frames)["e"].height > 20
    store_minutes(frames, "BTC", between(minutes, noon, noon + HOUR))
    settle(frames, plan_of(config_with(capital=500)), now=noon + HOUR)
    again = accounts(frames)
    assert set(again["a"]["n_restarts"]) == {1}
    assert again["e"].filter(strategy="ma", interval="1h")["time"].to_list() == [noon + HOUR]
    capital = "SELECT DISTINCT (config ->> 'capital')::float FROM paper_accounts"
    assert query(frames, capital).item() == 500


def test_terms_that_the_exchange_tells_later_are_no_other_terms(frames):
    """An account keeps the steps of size that it was opened with; a restart is what somebody configured."""
    minutes, noon = made_minutes(SPAN, Random(4), n_gaps=0), SPAN.start + 16 * HOUR
    plan = plan_of(config_with())
    store_minutes(frames, "BTC", between(minutes, SPAN.start, noon))
    settle(frames, plan, now=noon)
    terms = "INSERT INTO instruments (symbol, coin, sz_decimals, max_leverage) VALUES ('BTC', 'BTC', 5, 40) RETURNING 1"
    with frames.transaction():
        query(frames, terms)
    store_minutes(frames, "BTC", between(minutes, noon, noon + HOUR))
    settle(frames, plan, now=noon + HOUR)
    assert set(accounts(frames)["a"]["n_restarts"]) == {0}


def test_a_step_reads_no_more_the_older_the_account_is(frames):
    """Law 11: what one decision reads after a day and a half is what it reads after three hours."""
    minutes = made_minutes(SPAN, Random(5), n_gaps=0)
    n_read = []
    for end in (SPAN.start + 7 * HOUR, SPAN.end):
        store_minutes(frames, "BTC", between(minutes, SPAN.start, end - HOUR))
        settle(frames, SINCE, now=end - HOUR)
        store_minutes(frames, "BTC", between(minutes, end - HOUR, end))
        look(frames, SINCE, now=end)
        counting = Counting(frames)
        follow_all(counting, SINCE, "BTC", TimeRange(end - HOUR, end), now=end)
        n_read.append(counting.n_read)
    assert n_read[0] > 0
    assert n_read[1] <= n_read[0] + 5
    n_kept = query(frames, "SELECT count(*) FROM paper_checkpoints WHERE strategy = 'ma' AND interval = '1h'").item()
    assert n_kept <= 40


def test_what_happened_before_an_account_was_opened_reaches_it_by_decisions_alone(frames):
    """History that comes in leaves it alone; a decision that is said otherwise since is replayed."""
    minutes = made_minutes(SPAN, Random(6), n_gaps=0)
    store_minutes(frames, "BTC", minutes)
    one_pass(frames, SINCE, "BTC", [SPAN], now=SPAN.end)
    follow_all(frames, SINCE, "BTC", SPAN, now=SPAN.end)
    known = accounts(frames)
    history = TimeRange(SPAN.start, SPAN.start + HOUR)
    assert follow_all(frames, SINCE, "BTC", history, now=SPAN.end) == Written()
    changed = """UPDATE decisions SET exposure = -exposure WHERE strategy = 'ma' AND interval = '1h' AND exposure <> 0
      AND time = (SELECT max(time) FROM decisions WHERE strategy = 'ma' AND interval = '1h' AND exposure <> 0
                  AND time < '2021-01-31 20:00Z') RETURNING 1"""
    with frames.transaction():
        assert query(frames, changed).height > 0
    assert follow_all(frames, SINCE, "BTC", history, now=SPAN.end).n_rows > 0
    assert set(differences(accounts(frames), known)) >= {"e"}


def test_a_symbol_of_which_nothing_is_known_has_no_account(frames):
    """The lane does everything once when it starts, for a symbol that there is not."""
    hour = parse_interval("1h")
    strategy = SINCE.strategies[hour][0]
    by = Provenance(run_id="x", now=SPAN.end)
    spans = [TimeRange(SPAN.start, SPAN.end)]
    assert follow(frames, "", hour, spans, strategy, config=SINCE.paper, rule=SINCE.rule, by=by) == Written()
    assert accounts(frames, "")["a"].is_empty()


def test_the_dagster_lane_follows_in_its_run(database_url, settings_for, instance, frames):
    """The asset `paper/<strategy>` stands behind the decisions, and says what it did."""
    store_minutes(frames, "BTC", made_minutes(TimeRange(SPAN.start, SPAN.start + 9 * HOUR), Random(7), n_gaps=0))
    settings = settings_for(database_url)
    config = msgspec.structs.replace(config_with(start="2021-01-30"), symbols=settings.config.symbols)
    settings = dataclasses.replace(settings, config=config)
    assert run_derive(settings, instance, days(SPAN.start, 1)).success
    told = accounts(frames)
    assert told["a"].height == 3
    assert told["e"].height > 20
    asset = instance.get_latest_materialization_event(dg.AssetKey(["paper", "ma"])).asset_materialization
    assert asset.metadata["rows derived"].value == told["e"].filter(strategy="ma").height


def test_an_account_that_the_exchange_would_refuse_is_left_out(frames, caplog):
    """More leverage than a coin allows is said once; what the lane decides and checks besides goes on."""
    minutes, noon = made_minutes(SPAN, Random(8), n_gaps=0), SPAN.start + 12 * HOUR
    with frames.transaction():
        terms = "('BTC', 'BTC', 5, 40), ('ETH', 'ETH', 0, 3)"
        query(frames, f"INSERT INTO instruments (symbol, coin, sz_decimals, max_leverage) VALUES {terms} RETURNING 1")
    plan = plan_of(msgspec.structs.replace(small_config("BTC", "ETH"), paper=PaperConfig(leverage=5)))
    for start, end in ((SPAN.start, noon), (noon, noon + HOUR)):
        for symbol in ("BTC", "ETH"):
            store_minutes(frames, symbol, between(minutes, start, end))
        settle(frames, plan, now=end)
    assert accounts(frames, "BTC")["a"].height > 0
    assert accounts(frames, "ETH")["a"].is_empty()
    assert query(frames, "SELECT max(time) FROM decisions WHERE symbol = 'ETH'").item() > noon
    told = [(r.strategy, r.interval) for r in caplog.records if r.message == "paper account left out"]
    assert sorted(told) == sorted(set(told))
    assert told


def test_an_account_stays_as_it_is_while_its_terms_are_impossible(frames):
    """It is neither closed nor followed when somebody configures more leverage than it was opened under."""
    minutes, noon = made_minutes(SPAN, Random(9), n_gaps=0), SPAN.start + 12 * HOUR
    with frames.transaction():
        terms = (
            "INSERT INTO instruments (symbol, coin, sz_decimals, max_leverage) VALUES ('BTC', 'BTC', 0, 3) RETURNING 1"
        )
        query(frames, terms)
    store_minutes(frames, "BTC", between(minutes, SPAN.start, noon))
    settle(frames, plan_of(config_with()), now=noon)
    known = accounts(frames)
    store_minutes(frames, "BTC", between(minutes, noon, noon + HOUR))
    settle(frames, plan_of(config_with(leverage=5)), now=noon + HOUR)
    assert known["a"].height > 0
    assert differences(accounts(frames), known) == {}


def test_funding_that_came_after_the_clock_was_set_back_is_not_missed(frames):
    """An account that was written by a clock that was ahead is replayed all the same."""
    plan, minutes = plan_of(config_with(start="2021-01-30")), made_minutes(SPAN, Random(7), n_gaps=0)
    store_minutes(frames, "BTC", between(minutes, SPAN.start, SPAN.start + 12 * HOUR))
    settle(frames, plan, now=SPAN.start + 12 * HOUR)
    with frames.transaction():
        query(frames, "UPDATE paper_accounts SET updated_at = updated_at + interval '1 hour' RETURNING 1")
    store_funding(frames, "BTC", rates(SPAN.start, 10), source=FROM_EXCHANGE)
    store_minutes(frames, "BTC", between(minutes, SPAN.start + 12 * HOUR, SPAN.start + 13 * HOUR))
    settle(frames, plan, now=SPAN.start + 13 * HOUR)
    assert max(abs(paid) for paid in accounts(frames)["a"]["funding"]) > 0
