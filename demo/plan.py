"""From options and settings to what is run: ports, folders, clock, addresses."""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from btc_core.errors import ConfigError, InputError
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange, format_time
from btc_store.ports import HOST, free_port
from btc_store.settings import Settings, load_settings, names_database, project_root, refuse_scaled_mainnet
from demo.market import LISTINGS
from demo.progress import Watched
from demo.run import Plan
from demo.services import Services
from demo.stack import check_port

# Where the demo market's time begins: far enough in the past to be no partition of the future for years of play, and
# early in a month, so that the first minutes are one partition.
DEMO_START = datetime(2025, 1, 6, tzinfo=UTC)
# What is imported, so that long averages have values and a backtest has months. The last two days are left to the
# collector, who asks the exchange for them.
DEMO_PAST = TimeRange(datetime(2024, 10, 1, tzinfo=UTC), DEMO_START - timedelta(days=2))
# A market day in a minute.
DEMO_RATE = 1440.0
# Of the database of `make up`, where it is free: the same every day, for whoever looks inside.
UP_DATABASE_PORT = 5433
# What the exchange keeps: the collector fetches it at the start (its documentation: the 5000 most recent candles).
HISTORY = timedelta(minutes=5000)


@contextmanager
def open_plan(options: argparse.Namespace) -> Iterator[Plan]:
    """Return what the options ask for, and remove the demo's folder afterwards.

    Raises:
        ConfigError: If the settings cannot be used, or a port is taken.
        InputError: If options contradict each other.
    """
    make = "make up UP" if options.mainnet else "make demo DEMO"
    way_out = f'choose another with --dagster-port ({make}="--dagster-port 3001")'
    check_port(options.dagster_port, wanted_for="Dagster's web page", way_out=way_out)
    settings = load_settings()
    options.api_port = options.api_port or settings.api_port
    way_out = f'choose another with API_PORT or --api-port ({make}="--api-port 8001")'
    check_port(options.api_port, wanted_for="the dashboard", way_out=way_out)
    if options.mainnet:
        if options.once or options.database_url:
            raise InputError("--once and --database-url are for the demo: leave them out, or leave --mainnet out")
        yield _mainnet_plan(options, settings)
        return
    folder = Path(tempfile.mkdtemp(prefix="btc-demo-"))
    # Where we are root, the database runs as somebody else, who has to pass.
    folder.chmod(0o755)
    try:
        yield _demo_plan(options, settings, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _demo_plan(options: argparse.Namespace, settings: Settings, folder: Path) -> Plan:
    exchange_port, database_port = free_port(), None if options.database_url else free_port()
    clock = ClockScale(DEMO_START.timestamp(), time.time(), DEMO_RATE)
    demo = replace(
        settings,
        clock=clock,
        ws_url=f"ws://{HOST}:{exchange_port}/ws",
        api_url=f"http://{HOST}:{exchange_port}/info",
        database_url=options.database_url or embedded_url(database_port),
        collector_port=free_port(),
        lake=str(folder / "lake"),
        alert_urls="",
    )
    coins = {name: settings.config.coin_of(name) for name in settings.config.symbols}
    variables = {
        "DATABASE_URL": demo.database_url,
        "HYPERLIQUID_WS_URL": demo.ws_url,
        "HYPERLIQUID_API_URL": demo.api_url,
        "BTC_CLOCK": f"{clock.sim!r},{clock.real!r},{clock.rate!r}",
        # Nothing of the made-up market comes into anybody's backup, or to anybody's telephone.
        "BTC_LAKE": demo.lake,
        "ALERT_URLS": "",
        "ALERT_URLS_FILE": "",
    }
    return Plan(
        title=f"The demo: a made-up market (seed {options.seed}), a market day in a minute, from "
        f"{format_time(DEMO_START)}; no network. Ctrl-C stops everything.",
        services=_services(options, demo, folder, variables),
        settings=demo,
        watched=_watched(demo, DEMO_PAST.start),
        database_port=database_port,
        exchange_port=exchange_port,
        seed=options.seed,
        coins={symbol: coin for symbol, coin in coins.items() if coin in LISTINGS},
        past=DEMO_PAST,
        has_backtest=True,
        ends_after_backtest=options.once,
    )


def _mainnet_plan(options: argparse.Namespace, settings: Settings) -> Plan:
    refuse_scaled_mainnet(settings)
    check_port(settings.collector_port, wanted_for="the collector's health page", way_out="set COLLECTOR_HTTP_PORT")
    work = project_root() / ".data"
    work.mkdir(exist_ok=True)
    database_port = None if names_database() else free_port(UP_DATABASE_PORT)
    if database_port is not None:
        settings = replace(settings, database_url=embedded_url(database_port))
    return Plan(
        title=f"{', '.join(settings.config.symbols)} from {settings.ws_url}. Ctrl-C stops everything; "
        f"{'the data stay in ' + str(work) if database_port else 'the data stay in ' + settings.shown_database}.",
        services=_services(options, settings, work, {"DATABASE_URL": settings.database_url} if database_port else {}),
        settings=settings,
        watched=_watched(settings, settings.now() - HISTORY),
        database_port=database_port,
    )


def embedded_url(port: int | None) -> str:
    """Return the address of the database that ``btc_store.embedded`` will have on a port."""
    return f"postgresql://postgres@{HOST}:{port}/btc_data"


def _services(options: argparse.Namespace, settings: Settings, work: Path, variables: dict[str, str]) -> Services:
    return Services(
        root=project_root(),
        work=work,
        variables=variables,
        dagster_port=options.dagster_port,
        location_port=free_port(),
        collector_port=settings.collector_port,
        api_port=options.api_port,
    )


def _watched(settings: Settings, since: datetime) -> Watched:
    """Choose what is told of: the first symbol and strategy, and the strategy's two shortest intervals."""
    config = settings.config
    if not config.strategies:
        raise ConfigError("strategies: the demo tells of decisions, and config.yaml has no strategy")
    strategy, entry = next(iter(config.strategies.items()))
    return Watched(
        symbol=next(iter(config.symbols)),
        strategy=strategy,
        intervals=entry.intervals,
        since=since,
        started_at=datetime.now(UTC),
    )
