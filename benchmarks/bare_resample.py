"""The limit of `btc derive`: Polars alone reads the file and makes the same candles; nothing is stored."""

import sys

import polars as pl

from btc_core.resample import resample
from btc_store.settings import load_settings

minutes = pl.read_parquet(sys.argv[1]).with_columns(minutes=pl.lit(1, pl.Int32))
n_rows = sum(resample(minutes, interval).height for interval in load_settings().config.derived_intervals)
sys.stdout.write(f"{n_rows}\n")
