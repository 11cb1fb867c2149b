"""The version of the program, and of its arithmetic."""

# pyproject.toml says the same. Images hold the program without its package, so that nobody can be asked.
VERSION = "0.1.0"

# Raised by whoever changes a result (a candle, an indicator, a decision): decisions carry it, and Dagster marks what
# was derived by an earlier one as stale.
CODE_VERSION = "1"
