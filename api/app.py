"""The application: its routes, its door, what it keeps open. Nothing connects before it is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api import stream
from api.backtests import Backtests
from api.dagster import Dagster
from api.database import Database
from api.description import describe
from api.door import warn_of_open_door
from api.errors import Refusal, add_handlers
from api.figures import Figures
from api.gate import Gate
from api.hub import running_hub
from api.routes import (
    backtests,
    candles,
    dashboard,
    decisions,
    docs,
    export,
    health,
    indicators,
    metrics,
    paper,
    quality,
    stats,
    status,
    strategies,
    symbols,
    ta,
)
from api.watch import Watch
from btc_core.version import CODE_VERSION
from btc_store.settings import Settings

ROUTES = (
    status,
    symbols,
    candles,
    indicators,
    decisions,
    backtests,
    paper,
    strategies,
    quality,
    stats,
    ta,
    health,
    export,
    metrics,
    docs,
    dashboard,
    stream,
)


def build_app(settings: Settings) -> FastAPI:
    """Return the application for these settings; ``app.state`` has ``settings`` and ``database``."""
    app = FastAPI(
        title="BTC data",
        version=CODE_VERSION,
        summary="Candles, indicators, decisions and backtests of a BTC data system.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        responses={422: {"model": Refusal}, 429: {"model": Refusal}, 503: {"model": Refusal}},
    )
    app.state.settings = settings
    app.state.database = Database(settings.database_url, max_size=settings.config.api.pool_max)
    app.state.watch = Watch(app.state.database, settings)
    app.state.figures = figures = Figures(lambda: len(app.state.hub.subscribers))
    app.state.dagster = Dagster(settings.dagster_url)
    app.state.backtests = Backtests(app.state.database, app.state.dagster)
    add_handlers(app)
    for routes in ROUTES:
        app.include_router(routes.router)
    describe(app, settings.config)
    config = settings.config.api
    if config.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=config.cors_origins, allow_methods=["GET"])
    app.add_middleware(Gate, config=config, figures=figures)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    warn_of_open_door(app.state.settings)
    async with running_hub(app.state.database, app.state.settings) as app.state.hub:
        yield
    await app.state.dagster.close()
    await app.state.database.close()
