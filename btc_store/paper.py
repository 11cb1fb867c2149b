"""Paper accounts: every configured strategy's, taken further by whoever has decided, in the tables of their name.

``follow`` is called behind ``derive_decisions`` with the same spans, by every lane. What changed in them is replayed
from the state before it; funding that came late is found here. An account's row tells where it stands; it is the
function of its opening, terms, decisions, minutes and funding that ``btc_core.paper`` computes.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache

import msgspec
import polars as pl

from btc_core.config import PaperConfig
from btc_core.decide import Completeness
from btc_core.errors import InputError
from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.paper import (
    FUNDING_SCHEMA,
    PaperState,
    Progress,
    advance,
    opened,
    opening_of,
    orders_of,
    pending_since,
    standing_of,
)
from btc_core.strategy import NamedStrategy
from btc_store.derive import NEVER, Provenance, Written
from btc_store.frames import Frames, read_candles
from btc_store.funding import read_funding
from btc_store.instruments import config_of

logger = logging.getLogger(__name__)

# What the exchange's terms decide where nobody states it.
_EXCHANGES_OWN = ("sz_decimals", "max_leverage", "maintenance_bps")
_MONTH = timedelta(days=31)
_RECENT = timedelta(hours=2)
_INSTANT = timedelta(microseconds=1)
_STATE_SCHEMA = {
    "through": pl.Datetime("us", "UTC"),
    "state": pl.String,
    "entry_price": pl.Float64,
    "entry_time": pl.Datetime("us", "UTC"),
    "price": pl.Float64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """An account as it is stored: the terms with which it was opened, and where it was left."""

    key: tuple[str, str, str]
    interval: Interval
    started_at: datetime
    terms: BacktestConfig
    state: PaperState
    late_funding: datetime | None


def follow(
    frames: Frames,
    symbol: str,
    interval: Interval,
    spans: Sequence[TimeRange],
    strategy: NamedStrategy,
    *,
    config: PaperConfig,
    rule: Completeness,
    by: Provenance,
) -> Written:
    """Take the account of a strategy on an interval to the newest minute; open it where there is none.

    One whose terms are impossible for the symbol, with more leverage than the exchange gives on it, is left as it is.

    Args:
        frames: The database.
        symbol: Whose decisions.
        interval: Of the candles that are decided on.
        spans: Open times of the candles that were decided on, or decided on anew; merged and ascending.
        strategy: Who decided.
        config: The terms of the accounts. With others than it was opened with, an account is opened anew.
        rule: How long decisions wait.
        by: The instant on the market's clock.

    Returns:
        At how many decisions the account was marked, and how many rows of it are new or different.
    """
    if not spans:
        return Written()
    key = (strategy.name, symbol, interval.label)
    with frames.transaction():
        frames.lock(symbol)
        try:
            account = _open(frames, key, interval, strategy, config, now=by.now)
        except InputError as error:
            _tell_left_out(key, str(error))
            return Written()
        if account is None:
            return Written()
        # What waited for a candle of another interval is decided with what follows.
        since = _changed_since(frames, account, spans, wait=rule.wait if strategy.also else timedelta(0))
        if since is None:
            return Written()
        state, n_written = _rewind(frames, account, since)
        return _replay(frames, account, state, now=by.now) + Written(0, n_written)


def terms_of(strategy: NamedStrategy, config: PaperConfig) -> BacktestConfig:
    """Return the terms of a strategy's accounts: one that spends a capital pays coins in full (docs/adr/0019)."""
    if strategy.rule.of != "capital":
        return config.terms
    return msgspec.structs.replace(config.terms, mode=Mode.SPOT, leverage=1)


def _open(
    frames: Frames,
    key: tuple[str, str, str],
    interval: Interval,
    strategy: NamedStrategy,
    config: PaperConfig,
    *,
    now: datetime,
) -> _Account | None:
    """Return the stored account, opened if it is not, or anew if its terms are others now.

    Nobody's account is opened before its strategy has said a word.
    """
    asked, start = terms_of(strategy, config), config.start_time
    rows = frames.read("read_paper_account", *key).rows()
    n_restarts = 0
    if rows:
        started_at, stored, state, n_restarts, late = rows[0]
        terms = _stored_terms(stored, asked, strategy, start)
        if terms is not None:
            known = msgspec.json.decode(state, type=PaperState)
            return _Account(
                key=key, interval=interval, started_at=started_at, terms=terms, state=known, late_funding=late
            )
        logger.warning("paper account opened anew", extra={"strategy": key[0], "symbol": key[1], "interval": key[2]})
        frames.run("close_paper_account", *key)
        n_restarts += 1
    elif not frames.read("newest_decision", key[1], key[2], key[0], NEVER).height:
        return None
    started_at = start or opening_of(now)
    terms = config_of(frames, key[1], asked)
    state, described = opened(started_at, terms), _described(terms, strategy, start)
    text = msgspec.json.encode(state).decode()
    frames.run("open_paper_account", *key, started_at, described, text, float(terms.capital), n_restarts)
    return _Account(key=key, interval=interval, started_at=started_at, terms=terms, state=state, late_funding=None)


@cache
def _tell_left_out(key: tuple[str, str, str], reason: str) -> None:
    """Say once in the life of the process that an account is not followed."""
    about = dict(zip(("strategy", "symbol", "interval"), key, strict=True))
    logger.warning("paper account left out", extra={**about, "reason": reason})


def _described(terms: BacktestConfig, strategy: NamedStrategy, start: datetime | None) -> str:
    told = {**msgspec.to_builtins(terms), "parameters": dict(strategy.parameters), "start": start}
    return msgspec.json.encode(told).decode()


def _stored_terms(
    stored: str, asked: BacktestConfig, strategy: NamedStrategy, start: datetime | None
) -> BacktestConfig | None:
    """Return the terms of an account, None where others are asked for now; what nobody asks for stays as it was."""
    told = msgspec.json.decode(stored)
    rest = {name: told.pop(name) for name in ("parameters", "start")}
    terms = msgspec.convert(told, BacktestConfig)
    unsaid = {name: getattr(terms, name) for name in _EXCHANGES_OWN if getattr(asked, name) is None}
    meant = _described(msgspec.structs.replace(asked, **unsaid), strategy, start)
    is_same = msgspec.json.decode(meant) == {**told, **rest}
    return terms if is_same else None


def _changed_since(
    frames: Frames, account: _Account, spans: Sequence[TimeRange], *, wait: timedelta
) -> datetime | None:
    """Return from which instant on the account is to be gone through, None where nothing has changed for it."""
    first = [spans[0].start - wait, *([account.late_funding] if account.late_funding else [])]
    if spans[-1].end > account.started_at or account.late_funding:
        return max(min(first), account.started_at)
    # What changed before it was opened reaches it by decisions alone, if at all.
    followed = frames.read("read_followed", *account.key, account.started_at)
    told = _orders(frames, account, account.started_at, NEVER).rename({"close_time": "time", "exposure": "wanted"})
    other = told.join(followed, on=["time", "wanted", "price"], how="anti").filter(
        pl.col("time") < account.state.through
    )
    return other["time"].min() if other.height else None  # pyright: ignore[reportReturnType]


def _rewind(frames: Frames, account: _Account, since: datetime) -> tuple[PaperState, int]:
    """Return the account's newest state that knows nothing of what changed, and forget what came after it."""
    state = account.state
    if state.through <= since:
        return state, 0
    rows = frames.read("paper_checkpoint", *account.key, since).rows()
    state = msgspec.json.decode(rows[0][0], type=PaperState) if rows else opened(account.started_at, account.terms)
    n_written = frames.run("rewind_paper_trades", *account.key, state.n_trades)
    frames.run("rewind_paper_checkpoints", *account.key, state.through)
    return state, n_written


def _replay(frames: Frames, account: _Account, state: PaperState, *, now: datetime) -> Written:
    """Take an account through the minutes that are stored, piece by piece, and keep what came of it."""
    key, done = account.key, Written()
    for end in _pieces(frames, account, state.through, max(now, state.through) + MINUTE):
        progress, before = _advance(frames, account, state, end), state
        state = progress.state
        n_written = frames.run("upsert_paper_equity", *key, incoming=progress.equity)
        if progress.trades.height:
            n_written += frames.run("insert_paper_trades", *key, incoming=progress.trades)
        if _hour(state.through) > _hour(before.through):
            frames.run("keep_paper_checkpoint", *key, state.through, msgspec.json.encode(state).decode())
            frames.run("thin_paper_checkpoints", *key, state.through)
        done += Written(progress.equity.height, n_written)
    frames.run("save_paper_account", *key, incoming=_row(state))
    return done


def _pieces(frames: Frames, account: _Account, start: datetime, last: datetime) -> Iterator[datetime]:
    """Yield the ends of what is replayed at once.

    A month is held in memory, and a piece ends shortly before the present: its state is what a late minute is replayed
    from. What is stored may end long before the present.
    """
    if start + _MONTH < last:
        strategy, symbol, label = account.key
        newest = [frames.read("edges_of_minutes", symbol, start, last)["last"].item()]
        newest += frames.read("newest_decision", symbol, label, strategy, last)["time"].to_list()
        known = [account.interval.close_of(account.interval.floor(each)) for each in newest if each is not None]
        last = min(last, max([start, *known]) + MINUTE)
    recent = _hour(last - _RECENT)
    while start < recent:
        start = min(start + _MONTH, recent)
        yield start
    yield last


def _advance(frames: Frames, account: _Account, state: PaperState, end: datetime) -> Progress:
    """Take an account through the stored minutes before an instant."""
    symbol, terms = account.key[1], account.terms
    ahead = TimeRange(state.through, end)
    is_spot = terms.mode is Mode.SPOT
    return advance(
        state,
        read_candles(frames, symbol, ONE_MINUTE, ahead),
        _orders(frames, account, pending_since(state, terms), end),
        terms,
        funding=pl.DataFrame(schema=FUNDING_SCHEMA) if is_spot else read_funding(frames, symbol, ahead),
    )


def _orders(frames: Frames, account: _Account, start: datetime, end: datetime) -> pl.DataFrame:
    """Return what was decided in [start, end), but nothing that was known when the account was opened."""
    strategy, symbol, label = account.key
    first = account.interval.floor(start - _INSTANT)
    orders = orders_of(frames.read("read_orders", symbol, label, strategy, first, end), account.interval)
    is_meant = pl.col("close_time").is_between(start, end, closed="left")
    return orders.filter(is_meant & (pl.col("close_time") > account.started_at))


def _hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _row(state: PaperState) -> pl.DataFrame:
    told = {"through": state.through, "state": msgspec.json.encode(state).decode(), **asdict(standing_of(state))}
    return pl.DataFrame([told], schema_overrides=_STATE_SCHEMA)
