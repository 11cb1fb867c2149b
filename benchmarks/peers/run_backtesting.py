"""backtesting.py's part: `python run_backtesting.py CASE FILE`, in its own environment; prints a JSON line.

Cases: ``whole`` from a Parquet file of minutes to figures, ``simulation`` alone (with its figures: it makes them).
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
from backtesting import Backtest, Strategy

PERIOD = 44
N_TIMES = 2
AGGREGATES = {"open": "first", "high": "max", "low": "min", "close": "last"}


class AboveAverage(Strategy):
    """Long above the average, short below it, with all the money."""

    def init(self) -> None:
        """Compute the average."""
        self.average = self.I(lambda close: pd.Series(close).rolling(PERIOD).mean(), self.data.Close)

    def next(self) -> None:
        """Turn where the price has crossed it."""
        price, average = self.data.Close[-1], self.average[-1]
        if price > average and not self.position.is_long:
            self.buy()
        elif price < average and not self.position.is_short:
            self.sell()


def backtest(file: str) -> Backtest:
    """Return what is to be run over the 37m candles of a file of minutes."""
    minutes = pd.read_parquet(file, columns=["time", *AGGREGATES]).set_index("time")
    candles = minutes.resample("37min", origin="epoch").agg(AGGREGATES)
    candles.columns = ["Open", "High", "Low", "Close"]
    # Whole units only, so the capital is large.
    rules = {"cash": 10_000_000, "commission": 0.00005, "exclusive_orders": True, "finalize_trades": True}
    return Backtest(candles.tz_localize(None), AboveAverage, **rules)


def whole(prepared: Backtest) -> dict[str, object]:
    """Return the figures of one backtest."""
    found = prepared.run()
    return {
        "total_return": float(found["Return [%]"]) / 100,
        "sharpe": float(found["Sharpe Ratio"]),
        "max_drawdown": -float(found["Max. Drawdown [%]"]) / 100,
        "n_trades": int(found["# Trades"]),
    }


def simulation(prepared: Backtest) -> dict[str, object]:
    """Return how long a run takes, again and again."""
    seconds = []
    for _ in range(N_TIMES):
        started = time.perf_counter()
        prepared.run()
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds}


def peak_memory_mb() -> float:
    """Return this program's own peak: what a process tells of itself on exit includes who started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    cases = {"whole": whole, "simulation": simulation}
    said = cases[sys.argv[1]](backtest(sys.argv[2]))
    sys.stdout.write(json.dumps({**said, "memory_mb": peak_memory_mb()}) + "\n")
