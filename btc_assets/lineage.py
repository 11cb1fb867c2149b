"""What an asset's definition says of its table: columns, where each comes from, and where to read on.

Dagster's own web interface draws lineage between assets and keeps that between columns as data; so each column's
description says it in words, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

import dagster as dg
import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.strategy import NamedStrategy
from btc_core.ticks import OF_CLOSE

PROJECT = "btc-data"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, PostgreSQL's type, what it means, and the columns that it is made of, by asset."""

    name: str
    type: str
    text: str
    made_of: Mapping[dg.AssetKey, Sequence[str]]


def table_metadata(columns: Sequence[Column], *, docs: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of an asset's definition.

    Args:
        columns: Of its table.
        docs: Pages about it, as paths in the repository.
    """
    schema = dg.TableSchema([dg.TableColumn(column.name, column.type, _described(column)) for column in columns])
    deps = {
        column.name: [dg.TableColumnDep(key, name) for key, names in column.made_of.items() for name in names]
        for column in columns
        if column.made_of
    }
    lineage = {"dagster/column_lineage": dg.TableColumnLineage(deps)} if deps else {}
    return {"dagster/column_schema": schema, **lineage, **docs_metadata(docs)}


def docs_metadata(pages: Sequence[str]) -> dict[str, Any]:
    """Return links to pages of the repository; where pyproject.toml names no address of it, their paths."""
    if repository := _repository():
        return {f"docs: {page}": dg.MetadataValue.url(f"{repository}/blob/main/{page}") for page in pages}
    return {"docs": dg.MetadataValue.md(" · ".join(f"`{page}`" for page in pages))}


def candle_columns(minutes: dg.AssetKey | None) -> list[Column]:
    """Return the columns of candles; ``minutes`` is the asset that they are made of, None for the 1m candles."""

    def of(*names: str) -> dict[dg.AssetKey, Sequence[str]]:
        return {minutes: names} if minutes else {}

    return [
        Column("time", "timestamptz", "open of the candle, UTC; it is known at its close", of("time")),
        Column("open", "float8", "price of the first trade, quote currency", of("open", "volume")),
        Column("high", "float8", "highest price", of("high")),
        Column("low", "float8", "lowest price", of("low")),
        Column("close", "float8", "price of the last trade", of("close")),
        Column("volume", "float8", "base units", of("volume")),
        Column("trades", "integer", "number of trades; null where the source does not count them", of("trades")),
        Column("minutes", "integer", "how many 1m candles it was made of", of("time")),
    ]


def indicator_columns(candles: dg.AssetKey, indicators: Sequence[NamedIndicator]) -> list[Column]:
    """Return the columns of an interval's indicators."""
    names = [name for indicator in indicators for name in indicator.columns()]
    return [
        Column("time", "timestamptz", "open of the candle at whose close the value is known", {candles: ["time"]}),
        Column("indicator_name", "text", f"one of {', '.join(names)}", {}),
        Column(
            "value", "float8", "in the indicator's own unit; absent in its warm-up", {candles: _read_by(indicators)}
        ),
        Column("parameters", "jsonb", "what the indicator is tuned by", {}),
    ]


def decision_columns(
    strategy: NamedStrategy, *, candles: Sequence[dg.AssetKey], indicators: Sequence[dg.AssetKey]
) -> list[Column]:
    """Return the columns of a strategy's decisions, made of candles and, where they are kept, of indicators."""
    own = {name for indicator in strategy.indicators for name in indicator.columns()}
    said = strategy.opinion().values()
    read = sorted(_columns_of(said) - set(strategy.columns))
    opinion = {
        **{key: sorted({*read, *_read_by(strategy.indicators)}) for key in candles},
        **{key: ["value"] for key in indicators if own},
    }
    snapshot = {**{key: ["minutes"] for key in candles}, **{key: ["value"] for key in indicators}}
    return [
        Column("time", "timestamptz", "open of the candle; decided at its close", {key: ["time"] for key in candles}),
        Column("interval", "text", "the candle's", {}),
        Column("seq", "smallint", "0, and 1 for the opening that follows a closing on the same candle", {}),
        Column("signal", "text", "OPEN_LONG OPEN_SHORT CLOSE_LONG CLOSE_SHORT HOLD", opinion),
        Column("confidence", "float8", "how sure the strategy is, 0 to 1", opinion),
        Column("exposure", "float8", "wanted position ÷ equity from here on, signed", opinion),
        Column("price", "float8", "the candle's close", {key: ["close"] for key in candles}),
        Column("indicator_snapshot", "jsonb", "what the strategy saw, and of how many minutes", snapshot),
        Column("parameters", "jsonb", "what the strategy is tuned by", {}),
        Column("revision", "smallint", "0 is what was said first; a correction may say otherwise", {}),
        Column("run_id", "text", "who decided", {}),
        Column("code_version", "text", "of the arithmetic", {}),
        Column("data_revision", "timestamptz", "newest `ingested_at` of the candles that it looked at", {}),
        Column("decided_at", "timestamptz", "when, on the market's clock", {}),
    ]


def _read_by(indicators: Iterable[NamedIndicator]) -> list[str]:
    """Return the columns of candles that indicators are computed from."""
    expressions = [expression for indicator in indicators for expression in indicator.columns().values()]
    return sorted(_columns_of(expressions))


def _columns_of(expressions: Iterable[pl.Expr]) -> set[str]:
    """Return the columns that expressions read; what is computed from the close on the way is the close."""
    names = {name for expression in expressions for name in expression.meta.root_names()}
    return {"close" if name in OF_CLOSE else name for name in names}


def _described(column: Column) -> str:
    """Return what a column means and where it comes from, in words; of many assets the first and their number."""
    sources = [f"`{key.to_user_string()}`: {', '.join(names)}" for key, names in column.made_of.items()]
    if not sources:
        return column.text
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return f"{column.text} ← {sources[0]}{more}"


@cache
def _repository() -> str | None:
    """Return the repository's address, as the installed project says it; None where it says none."""
    try:
        said = metadata(PROJECT).get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    urls = dict(line.split(", ", 1) for line in said)
    return urls["Repository"].rstrip("/") if "Repository" in urls else None
