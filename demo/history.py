"""The demo market's past as a file that ``btc import`` takes."""

import csv
from datetime import timedelta
from pathlib import Path

from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from demo.market import Market


def write_history(market: Market, coin: str, span: TimeRange, path: Path) -> int:
    """Write the 1m candles of a span as CSV; return how many. A month takes half a second."""
    first, end = ((at - EPOCH) // MINUTE for at in (span.start, span.end))
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("time", "open", "high", "low", "close", "volume", "trades"))
        rows.writerows(
            ((EPOCH + timedelta(minutes=minute)).isoformat(), *market.values(coin, minute))
            for minute in range(first, end)
        )
    return end - first
