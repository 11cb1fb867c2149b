"""`python -m benchmarks [NAME …]`: print every figure, or those of the named suites, one JSON line each."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import backfill, footprint, fuzz, latency, live, peers, pipeline, workspace
from benchmarks.figure import Figure
from benchmarks.market import year_of_minutes
from benchmarks.processes import ROOT
from btc_store.embedded import EmbeddedPostgres
from btc_store.schema import upgrade

SUITES = ("pipeline", "latency", "peers", "fuzz", "footprint", "backfill", "workspace", "live")


def main() -> int:
    """Run the suites that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="NAME", help=f"of {', '.join(SUITES)}; all where none is named")
    parser.add_argument("--n", type=int, default=1_000_000, help="fuzz: how many frames (default 1000000)")
    parser.add_argument("--seed", type=int, default=1, help="fuzz: of the mutations (default 1)")
    shared = ROOT.parent / "shared"
    parser.add_argument("--shared", type=Path, default=shared, help=f"peers: the recorded data (default {shared})")
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
        yield from peers.measure(options.shared)
    elif suite == "fuzz":
        yield from fuzz.measure(n=options.n, seed=options.seed)
    else:
        yield from _on_a_server(suite, folder)


def _on_a_server(suite: str, folder: Path) -> Iterator[Figure]:
    """Run one suite on a server of its own, with TimescaleDB where it was fetched, and PostgreSQL's own durability."""
    fetched = ROOT / ".cache" / "pg17" / "bin"
    with EmbeddedPostgres(folder / suite, bin_folder=fetched if fetched.exists() else None) as server:
        upgrade(server.url)
        if suite == "pipeline":
            yield from pipeline.measure(server.url, year_of_minutes(ROOT / ".cache" / "bench"))
        elif suite == "latency":
            yield from latency.measure(server.url)
        elif suite == "backfill":
            yield from backfill.measure(server.url, year_of_minutes(ROOT / ".cache" / "bench"))
        elif suite == "live":
            yield from live.measure(server.url)
        elif suite == "workspace":
            yield from workspace.measure(server.url)
        else:
            yield from footprint.measure(server.url, folder)


if __name__ == "__main__":
    sys.exit(main())
