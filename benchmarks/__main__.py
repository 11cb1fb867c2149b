"""`python -m benchmarks [NAME …]`: print every figure, or those of the named suites, one JSON line each."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import (
    api,
    backfill,
    closing,
    flat,
    footprint,
    fuzz,
    growth,
    idle,
    indicators,
    lake,
    latency,
    live,
    pipeline,
    simulate,
    stream,
    sweep,
    workspace,
)
from benchmarks.figure import Figure
from benchmarks.market import eight_years_of_minutes, year_of_minutes
from benchmarks.peers import compare
from benchmarks.processes import ROOT
from btc_store.embedded import EmbeddedPostgres
from btc_store.schema import upgrade

SUITES = {
    "pipeline": "import, derive and test a year: 1 minute",
    "indicators": "each indicator over a year and over its look-back: 1 minute",
    "simulate": "two, four and eight years through the simulator: 1 minute",
    "sweep": "999 windows over eight years, with their decisions: 1 minute",
    "lake": "a year into the lake, read from there, and back: 1 minute",
    "latency": "from a candle to its decision and to the page, by sensor and by live lane: 13 minutes",
    "live": "from a row to its decision by the live lane: 4 minutes",
    "flat": "one candle with a month of history and with eight years: 5 minutes",
    "backfill": "eight years, and 120 empty months, as one run each: 5 minutes",
    "idle": "processor and memory of Dagster while little happens: 11 minutes",
    "growth": "bytes a day of the database: 9 minutes",
    "workspace": "how long workspace.yaml takes to load: 10 seconds",
    "api": "the API under 50 connections, over a million minutes: 1 minute",
    "stream": "from a row to 200 clients of the live stream: 2 minutes, and the soak",
    "footprint": "the collector with 20 symbols: 4 minutes",
    "peers": "a backtest and a sweep beside other libraries; installs them into .cache/peers: 4 minutes",
    "closing": "rules of closing a minute, over recorded frames: 1 minute",
    "fuzz": "broken frames: 1 minute",
}


def main() -> int:
    """Run the suites that the command line names."""
    listed = "\n".join(f"  {name:<12}{what}" for name, what in SUITES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n\nsuites:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", metavar="NAME", help="which ones; all where none is named")
    parser.add_argument("--n", type=int, default=1_000_000, help="fuzz: how many frames (default 1000000)")
    parser.add_argument("--seed", type=int, default=1, help="fuzz: of the mutations (default 1)")
    parser.add_argument(
        "--soak", type=float, default=0, help="stream: so many seconds with stalled clients (default 0)"
    )
    shared = ROOT.parent / "shared"
    parser.add_argument("--shared", type=Path, default=shared, help=f"closing: the recorded data (default {shared})")
    options = parser.parse_args()
    chosen = options.suites or list(SUITES)
    if unknown := set(chosen) - set(SUITES):
        parser.error(f"unknown suite {', '.join(sorted(unknown))}: expected {', '.join(SUITES)}")
    with tempfile.TemporaryDirectory(prefix="btc-bench-") as folder:
        Path(folder).chmod(0o755)
        for suite in chosen:
            for figure in _figures(suite, Path(folder), options):
                sys.stdout.write(figure.line() + "\n")
                sys.stdout.flush()
    return 0


def _figures(suite: str, folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Run one suite."""
    if suite == "peers":
        yield from compare.measure(eight_years_of_minutes(ROOT / ".cache" / "bench"), folder)
    elif suite == "closing":
        yield from closing.measure(options.shared)
    elif suite == "fuzz":
        yield from fuzz.measure(n=options.n, seed=options.seed)
    elif suite == "indicators":
        yield from indicators.measure(_year())
    elif suite == "simulate":
        yield from simulate.measure()
    elif suite == "sweep":
        yield from sweep.measure()
    else:
        yield from _on_a_server(suite, folder, options)


def _on_a_server(suite: str, folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Run one suite on a server of its own, with TimescaleDB where it was fetched, and PostgreSQL's own durability."""
    suites: Mapping[str, Callable[[str], Iterator[Figure]]] = {
        "pipeline": lambda url: pipeline.measure(url, _year()),
        "lake": lambda url: lake.measure(url, folder),
        "latency": lambda url: latency.measure(url, _year(), folder),
        "live": live.measure,
        "flat": lambda url: flat.measure(url, _year()),
        "backfill": lambda url: backfill.measure(url, _year()),
        "idle": lambda url: idle.measure(url, folder),
        "growth": lambda url: growth.measure(url, folder),
        "workspace": workspace.measure,
        "api": lambda url: api.measure(url, folder),
        "stream": lambda url: stream.measure(url, folder, soak_seconds=options.soak),
        "footprint": lambda url: footprint.measure(url, folder),
    }
    fetched = ROOT / ".cache" / "pg17" / "bin"
    with EmbeddedPostgres(folder / suite, bin_folder=fetched if fetched.exists() else None) as server:
        upgrade(server.url)
        yield from suites[suite](server.url)


def _year() -> Path:
    """Return the file with the year of minutes that is measured with."""
    return year_of_minutes(ROOT / ".cache" / "bench")


if __name__ == "__main__":
    sys.exit(main())
