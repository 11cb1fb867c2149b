"""The live lane: a closed minute becomes candles, indicators and decisions in milliseconds, without Dagster."""
