"""The version of the arithmetic."""

# Raised by whoever changes a result (a candle, an indicator, a decision): decisions carry it, and Dagster marks what
# was derived by an earlier one as stale.
CODE_VERSION = "1"
