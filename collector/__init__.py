"""The exchange's stream as stored 1m candles: a process of its own that knows neither Dagster nor Polars."""
