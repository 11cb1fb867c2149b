"""The asset ``funding``: what a perpetual pays for being held, and with it the terms of its coins."""

import time

import dagster as dg

from btc_assets.lineage import Column, table_metadata
from btc_assets.partitions import partitions_of
from btc_core.config import Config
from btc_core.model.timerange import TimeRange, format_time
from btc_store.frames import Frames
from btc_store.funding import FROM_EXCHANGE, store_funding
from btc_store.instruments import store_instruments
from resources.exchange_funding import ExchangeFunding
from resources.progress import Progress
from resources.timescale import Timescale

FUNDING_KEY = dg.AssetKey("funding")
FUNDING_JOB = "fetch_funding"


def build_funding(config: Config, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset; its months are fetched whole, and twice is once."""

    @dg.asset(
        key=FUNDING_KEY,
        description="Hourly funding of perpetuals, as the exchange settled it; and the terms of its coins "
        "(`instruments`): decimals of a size, most leverage. Backtests pay and keep them.",
        group_name="candles",
        kinds={"postgres"},
        owners=["team:data"],
        metadata=table_metadata(_columns(), docs=["docs/backtests.md"]),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def funding(
        context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale], progress: dg.ResourceParam[Progress]
    ) -> dg.MaterializeResult:
        exchange = ExchangeFunding(timescale.settings)
        with timescale.frames() as frames:
            coins = store_terms(frames, exchange, config)
            for partition in partitions_of(context, progress):
                started, coin, month = time.monotonic(), coins.get(partition.symbol), partition.month
                # A pair of the spot market pays none.
                n_rows, n_written = fetch_funding(frames, exchange, partition.symbol, coin, month) if coin else (0, 0)
                found = {
                    "rows": n_rows,
                    "rows written": n_written,
                    "range": f"{format_time(month.start)} to {format_time(month.end)}",
                    "seconds": round(time.monotonic() - started, 3),
                }
                context.add_asset_metadata(metadata=found, asset_key=FUNDING_KEY, partition_key=partition.key)
        return dg.MaterializeResult()

    return funding


def fetch_funding(
    frames: Frames, exchange: ExchangeFunding, symbol: str, coin: str, span: TimeRange
) -> tuple[int, int]:
    """Fetch and store the rates of a range, page by page; return how many there are, and how many were new.

    Raises:
        ExchangeError: If the exchange does not answer; the pages before are kept.
    """
    n_rows = n_written = 0
    for rates in exchange.rates(coin, span):
        n_rows += rates.height
        n_written += store_funding(frames, symbol, rates, FROM_EXCHANGE)
    return n_rows, n_written


def store_terms(frames: Frames, exchange: ExchangeFunding, config: Config) -> dict[str, str]:
    """Fetch and store the terms of the configured symbols; return the coins of those that are perpetuals.

    Raises:
        ExchangeError: If the exchange does not answer.
    """
    terms = exchange.terms()
    # As the collector resolved them: ours are upper-case, the exchange's are not (kPEPE).
    collected = dict(frames.read("read_coins").rows())
    coins = {symbol: collected.get(symbol, config.coin_of(symbol)) for symbol in config.symbols}
    perpetuals = {symbol: coin for symbol, coin in coins.items() if coin in terms}
    store_instruments(frames, {symbol: terms[coin] for symbol, coin in perpetuals.items()})
    return perpetuals


def _columns() -> list[Column]:
    return [
        Column("time", "timestamptz", "the settlement's stamp, UTC", {}),
        Column("rate", "float8", "fraction of the notional; a long pays what is positive", {}),
        Column("premium", "float8", "how far the perpetual stood above its index, as a fraction", {}),
        Column("source", "text", "rest, or import:<name>", {}),
    ]
