"""What the tests of the lake share: a database with a row of everything that is archived, and what its tables say."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import polars as pl

from benchmarks.one_pass import query
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.strategy import load_strategy
from btc_store.archive import archive_all, symbols_stored
from btc_store.backtest_rows import keep_report
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.derive import Provenance
from btc_store.frames import Frames
from btc_store.funding import FROM_EXCHANGE, SCHEMA, store_funding
from btc_store.lake import Lake, open_lake
from btc_store.lake_tables import KINDS
from btc_store.paper import follow
from btc_store.restore import Choice, choose, restore, verify
from tests.derivation import RULE, Pipeline, closed_spans, made_minutes, note_no_trade, put_minutes, store_minutes

# The end of a month, a whole one, and a day of the next: two are over by NOW, and one of them is settled.
SPAN = TimeRange(datetime(2024, 1, 30, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC))
NOW = SPAN.end
JANUARY, FEBRUARY, MARCH = (f"symbol=BTC/month=2024-{month:02}" for month in (1, 2, 3))
QUIET = TimeRange(datetime(2024, 2, 10, 4, tzinfo=UTC), datetime(2024, 2, 10, 4, 30, tzinfo=UTC))
LOST = TimeRange(datetime(2024, 1, 31, 9, tzinfo=UTC), datetime(2024, 1, 31, 9, 7, tzinfo=UTC))
HOURS = [parse_interval("37m"), parse_interval("148m")]
# Derived candles and indicators are dated when they were derived; what they say is the same.
VALUES = {
    "candles": "time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state",
    "indicators": "time, symbol, interval, indicator_name, value, parameters",
}


def small_minutes(span=SPAN, seed=3):
    """Return minutes of a range without those nobody traded in, and without seven that were lost."""
    minutes = made_minutes(span, random.Random(seed), n_gaps=0)
    for hole in (QUIET, LOST):
        minutes = minutes.filter(~pl.col("time").is_between(hole.start, hole.end, closed="left"))
    return minutes


def fill(frames: Frames, minutes: pl.DataFrame) -> None:
    """Fill a database with everything that is archived, and derive from it."""
    store_minutes(frames, "BTC", minutes)
    note_no_trade(frames, "BTC", [QUIET])
    rates = [(SPAN.start + timedelta(hours=k, milliseconds=k), 1e-4 * (k % 5 - 1), None) for k in range(40)]
    store_funding(frames, "BTC", pl.DataFrame(rates, schema=SCHEMA, orient="row"), FROM_EXCHANGE)
    write(frames, "INSERT INTO instruments (symbol, coin, sz_decimals, max_leverage) VALUES ('BTC', 'BTC', 5, 40)")
    write(frames, "INSERT INTO symbol_coins (symbol, coin) VALUES ('BTC', 'BTC')")
    derive(frames)
    correct(frames, minutes)
    strategy = load_strategy("ma", {"period": 9})
    request = BacktestRequest(
        symbol="BTC", interval=HOURS[0], strategy=strategy, range_=SPAN, config=BacktestConfig(leverage=1)
    )
    done = run_backtest(frames, request, rule=RULE, run_id="test")
    keep_report(frames, UUID(str(done.id)), "<html></html>")
    by = Provenance(run_id="test", now=NOW)
    config = BacktestConfig(leverage=1)
    follow(
        frames,
        "BTC",
        HOURS[0],
        closed_spans(HOURS[0], [SPAN], now=NOW),
        named(9),
        config=paper(config),
        rule=RULE,
        by=by,
    )


def paper(config: BacktestConfig):
    """Return the terms of accounts that follow since the beginning."""
    from btc_core.config import PaperConfig

    return PaperConfig(capital=config.capital, start=SPAN.start)


def named(period):
    """Return the strategy whose decisions the small house keeps."""
    strategy = load_strategy("ma", {"period": period})
    return type(strategy)(f"ma{period}", strategy.rule, strategy.parameters)


def house() -> Pipeline:
    """Return what is derived."""
    return Pipeline(intervals=HOURS, periods={"37m": [9], "148m": [2]})


def derive(frames: Frames) -> None:
    """Derive everything of all minutes."""
    house().derive_minutes(frames, "BTC", [SPAN], now=NOW)


def correct(frames: Frames, minutes: pl.DataFrame, *, at: datetime = datetime(2024, 2, 20, 12, tzinfo=UTC)) -> None:
    """Correct an hour of minutes, which keeps revisions, and derive what hangs on it: some decisions change."""
    hour = minutes.filter(pl.col("time").is_between(at, at + timedelta(hours=1), closed="left"))
    raised = hour.with_columns(pl.col("open", "high", "low", "close") + 7)
    with frames.transaction():
        put_minutes(frames, "BTC", raised, source="import:later")
    house().derive_minutes(frames, "BTC", [TimeRange(at, at + timedelta(hours=1))], now=NOW)


def write(frames: Frames, sql: str) -> None:
    """Execute a statement that answers nothing."""
    with frames.transaction():
        frames.ask(f"WITH done AS ({sql} RETURNING 1) SELECT count(*) FROM done")


def fill_lake(frames: Frames, folder, **options) -> Lake:
    """Archive everything into a folder."""
    lake = open_lake(str(folder), folder.parent / "cache")
    list(archive_all(frames, lake, symbols_stored(frames), now=NOW, **options))
    return lake


def restore_all(frames: Frames, lake: Lake, choice: Choice = Choice()):  # noqa: B008  # it is frozen
    """Restore what a lake has; return what became of each part, by its folder."""
    manifests, faults = choose(lake, choice)
    assert faults == []
    assert verify(lake, manifests, advance=lambda _n: None) == {}
    return {each.manifest.folder: each for each in restore(frames, lake, manifests)}


def archived_rows(frames: Frames) -> dict[str, list[str]]:
    """Return every row of what is archived, as text that keeps every bit; of candles the minutes."""
    tables = dict.fromkeys(table.name for kind in KINDS.values() for table in kind.tables)
    return {name: rows_of(frames, name, "WHERE interval = '1m'" if name == "candles" else "") for name in tables}


def derived_rows(frames: Frames) -> dict[str, list[str]]:
    """Return what every derived row says."""
    return {
        name: rows_of(frames, f"(SELECT {columns} FROM {name} WHERE interval <> '1m')")
        for name, columns in VALUES.items()
    }


def rows_of(frames: Frames, source: str, where: str = "") -> list[str]:
    """Return the rows of a table as text, sorted."""
    return query(frames, f"SELECT said::text AS row FROM {source} AS said {where} ORDER BY 1")["row"].to_list()


def one_minute_later(minutes: pl.DataFrame) -> pl.DataFrame:
    """Return minutes moved by one."""
    return minutes.with_columns(pl.col("time") + MINUTE)
