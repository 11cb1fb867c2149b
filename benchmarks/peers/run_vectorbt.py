"""vectorbt's part: `python run_vectorbt.py CASE FILE`, in its own environment; prints a JSON line.

Cases: ``whole`` from a Parquet file of minutes to figures, ``simulation`` alone, ``sweep`` of many windows.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import vectorbt as vbt

PERIOD = 44
WINDOWS = list(range(2, 1001))
N_TIMES = 7
RULES = {"fees": 0.00005, "init_cash": 10_000_000.0, "freq": "37min"}


def closes(file: str) -> pd.Series:
    """Return the closes of the 37m candles of a file of minutes; with a time zone vectorbt takes ten times as long."""
    minutes = pd.read_parquet(file, columns=["time", "close"]).set_index("time").tz_localize(None)
    return minutes["close"].resample("37min", origin="epoch").last()


def portfolio(close: pd.Series, above: pd.DataFrame, below: pd.DataFrame) -> vbt.Portfolio:
    """Return the account that is long while the price is above its average and short while it is below."""
    return vbt.Portfolio.from_signals(close, entries=above, short_entries=below, **RULES)


def whole(close: pd.Series) -> dict[str, object]:
    """Return the figures of one backtest."""
    average = vbt.MA.run(close, PERIOD).ma
    account = portfolio(close, close > average, close < average)
    return {
        "total_return": float(account.total_return()),
        "sharpe": float(account.sharpe_ratio()),
        "max_drawdown": float(account.max_drawdown()),
        "n_trades": int(account.trades.count()),
    }


def simulation(close: pd.Series) -> dict[str, object]:
    """Return how long the account alone takes, again and again; the first time, which compiles, is left out."""
    average = vbt.MA.run(close, PERIOD).ma
    above, below = close > average, close < average
    seconds = []
    for _ in range(N_TIMES + 1):
        started = time.perf_counter()
        portfolio(close, above, below)
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds[1:]}


def sweep(close: pd.Series) -> dict[str, object]:
    """Return how long all windows take, with the return of each; what compiles was compiled for one."""
    few = vbt.MA.run(close, window=WINDOWS[:2])
    portfolio(close, few.ma_above(close), few.ma_below(close)).total_return()
    started = time.perf_counter()
    averages = vbt.MA.run(close, window=WINDOWS)
    returns = portfolio(close, averages.ma_below(close), averages.ma_above(close)).total_return()
    return {"seconds": [time.perf_counter() - started], "best": float(returns.max()), "n": len(returns)}


def peak_memory_mb() -> float:
    """Return this program's own peak: what a process tells of itself on exit includes who started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    cases = {"whole": whole, "simulation": simulation, "sweep": sweep}
    said = cases[sys.argv[1]](closes(sys.argv[2]))
    sys.stdout.write(json.dumps({**said, "memory_mb": peak_memory_mb()}) + "\n")
