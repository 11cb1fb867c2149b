"""``/api/v1/symbols``: what is configured, for whoever offers a choice of it."""

import msgspec
from fastapi import APIRouter, Request, Response

from api.query import config_of, json_answer
from btc_core.config import Config
from btc_core.readings import READINGS

router = APIRouter(prefix="/api/v1", tags=["status"])


@router.get("/symbols")
async def symbols(request: Request) -> Response:
    """Return the configured symbols, intervals, indicators and strategies, and the defaults of a backtest."""
    config = config_of(request)
    return json_answer(
        {
            "symbols": list(config.symbols),
            "intervals": ["1m", *(interval.label for interval in config.derived_intervals)],
            "indicators": [_indicator(config, name) for name in config.indicators],
            "strategies": [
                {"name": name, "intervals": entry.intervals, "parameters": entry.parameters}
                for name, entry in config.strategies.items()
            ],
            "backtest": msgspec.to_builtins(config.backtest),
            "history_start": config.history_start,
            "writes": "token" if request.app.state.settings.api_token else "loopback",
        }
    )


def _indicator(config: Config, name: str) -> dict[str, object]:
    entry = config.indicators[name]
    reading = READINGS.get(entry.function)
    return {
        "name": name,
        "function": entry.function,
        "parameters": entry.parameters,
        "intervals": entry.intervals,
        "outputs": [name + suffix for suffix in (reading.outputs if reading else ("",))],
        "drawn": reading.drawn if reading else "pane",
    }
