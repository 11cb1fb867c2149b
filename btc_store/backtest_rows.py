"""The rows of a backtest: that it is under way, what it said, its page; and those of one that was computed before."""

import base64
import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import adbc_driver_manager
import msgspec
import polars as pl

from btc_core.errors import BtcError, DataError
from btc_core.model.backtest import BacktestResults
from btc_core.simulator.simulate import Simulation
from btc_core.simulator.trades import TRADE_SCHEMA
from btc_core.version import CODE_VERSION
from btc_store.data_version import DataVersion
from btc_store.frames import Frames, Value

_COPIED = ("copy_backtest_decisions", "copy_backtest_trades", "copy_backtest_equity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A backtest that was computed before.

    Attributes:
        id: In ``backtest_runs``.
        finished_at: When that was.
        run_id: Which run or command did; None in old rows.
        simulation: What it said, without the fills: they are not kept.
        n_skipped: Candles that were too incomplete to decide on.
        version: Of the data that it read.
        has_report: Whether its page is kept.
    """

    id: UUID
    finished_at: datetime
    run_id: str | None
    simulation: Simulation
    n_skipped: int
    version: DataVersion
    has_report: bool


class _Skipped(msgspec.Struct):
    """What stands beside the figures in ``results``."""

    n_skipped: int = 0


@contextmanager
def recorded(frames: Frames, key: UUID, *described: Value) -> Iterator[None]:
    """Keep that a backtest is under way, and why it did not come to its end, whatever the reason is.

    What others left behind when they were killed is ended here, too.

    Args:
        frames: The database.
        key: Its id.
        described: Strategy, symbol, interval, start, end, configuration (JSON) and the run's id.
    """
    end_abandoned(frames)
    with held(frames, key):
        write(frames, key, "insert_backtest", *described)
        with _told(frames, key):
            yield


@contextmanager
def held(frames: Frames, *keys: UUID) -> Iterator[None]:
    """Let others know that these backtests are computed, or are going to be; and if this process dies, that."""
    with frames.transaction():
        for key in keys:
            frames.read("hold_backtest", str(key))
    try:
        yield
    finally:
        # Where the database is gone, so is the session, and with it the locks.
        with suppress(adbc_driver_manager.Error), frames.transaction():
            for key in keys:
                frames.read("release_backtest", str(key))


def end_abandoned(frames: Frames) -> int:
    """Say of the backtests whose process was killed that they failed; return how many those are."""
    with frames.transaction():
        return frames.run("end_abandoned_backtests")


@contextmanager
def _told(frames: Frames, key: UUID) -> Iterator[None]:
    """Keep why a backtest did not come to its end."""
    try:
        yield
    except BaseException as error:
        reason = str(error) if isinstance(error, BtcError) else f"{type(error).__name__}: {error}".rstrip(": ")
        # Dagster ends a run by an interruption of its own, which is no Exception either.
        status = "failed" if isinstance(error, Exception) else "cancelled"
        # Where the database is what failed, there is nowhere to write.
        with suppress(adbc_driver_manager.Error), frames.transaction():
            frames.run("fail_backtest", str(key), status, reason)
        raise


def write(frames: Frames, key: UUID, name: str, *values: Value) -> None:
    """Write to the row of a backtest that is under way.

    Raises:
        DataError: If it is so no longer.
    """
    with frames.transaction():
        if not frames.run(name, str(key), *values):
            raise DataError(f"the backtest {key} was cancelled or deleted meanwhile: ask for it again")


def store(
    frames: Frames,
    key: UUID,
    stream: tuple[str, str, str],
    parameters: Mapping[str, object],
    simulation: Simulation,
    *,
    decisions: pl.DataFrame,
    n_skipped: int,
    run_id: str,
) -> None:
    """Store what a backtest said in the transaction that is open; ``stream`` is symbol, interval and strategy."""
    said = msgspec.to_builtins(simulation.results) | {"n_skipped": n_skipped}
    write(frames, key, "finish_backtest", msgspec.json.encode(said).decode())
    frames.put("incoming", decisions)
    given = msgspec.json.encode(dict(parameters)).decode()
    frames.run("insert_backtest_decisions", *stream, given, str(key), run_id, CODE_VERSION, datetime.now(UTC))
    frames.put("incoming", simulation.trades)
    frames.run("insert_backtest_trades", str(key))
    frames.put("incoming", simulation.equity)
    frames.run("insert_backtest_equity", str(key))


def find(frames: Frames, fingerprint: str, key: UUID) -> Known | None:
    """Return the newest backtest of a fingerprint that is finished, other than the one under way."""
    rows = frames.read("find_backtest", fingerprint, str(key)).rows(named=True)
    if not rows:
        return None
    (row,) = rows
    trades = frames.read("read_backtest_trades", row["id"]).cast(TRADE_SCHEMA)
    results = msgspec.json.decode(row["results"], type=BacktestResults)
    return Known(
        id=UUID(row["id"]),
        finished_at=row["finished_at"],
        run_id=row["run_id"],
        simulation=Simulation(trades, frames.read("read_backtest_equity", row["id"]), pl.DataFrame(), results),
        n_skipped=msgspec.json.decode(row["results"], type=_Skipped).n_skipped,
        version=DataVersion(row["newest"], row["digest"]),
        has_report=row["has_report"],
    )


def copy(frames: Frames, known: Known, key: UUID) -> None:
    """Keep all that a backtest said under another id, too; its page is another one, because the id stands in it."""
    said = msgspec.to_builtins(known.simulation.results) | {"n_skipped": known.n_skipped}
    with frames.transaction():
        write(frames, key, "finish_backtest", msgspec.json.encode(said).decode())
        for name in _COPIED:
            frames.run(name, str(known.id), str(key))


def keep_report(frames: Frames, key: UUID, html: str) -> None:
    """Store the page of a backtest, gzip; the same page is the same bytes."""
    packed = gzip.compress(html.encode(), mtime=0)
    with frames.transaction():
        frames.run("keep_report", str(key), base64.b64encode(packed).decode())
