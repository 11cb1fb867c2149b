"""``/api/v1/ta``: what the indicators say, in figures and in words."""

from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.query import SomeInterval, Symbol, config_of, json_answer
from btc_core.config import Config
from btc_core.readings import READINGS

router = APIRouter(prefix="/api/v1/ta", tags=["indicators"])


class Reading(BaseModel):
    """An indicator at its newest candle; ``says`` is null until it has a value."""

    name: str
    function: str
    interval: str
    parameters: dict[str, Any]
    time: datetime | None
    close: float | None
    values: dict[str, float]
    says: str | None


class Readings(BaseModel):
    """All of them, by interval."""

    symbol: str
    items: list[Reading]


@router.get("", response_model=Readings)
async def ta(request: Request, symbol: Symbol, interval: SomeInterval) -> Response:
    """Return every configured indicator's newest value and what it says; it describes, and advises nothing."""
    config = config_of(request)
    labels = [interval.label] if interval else [each.label for each in config.derived_intervals]
    items: list[dict[str, object]] = []
    for label in labels:
        names = [name for name, entry in config.indicators.items() if label in entry.intervals]
        if names:
            items += await _readings(request, config, symbol, label, names)
    return json_answer({"symbol": symbol, "items": items})


async def _readings(
    request: Request, config: Config, symbol: str, label: str, names: list[str]
) -> list[dict[str, object]]:
    wanted = {name: READINGS[config.indicators[name].function] for name in names}
    outputs = [name + suffix for name, reading in wanted.items() for suffix in reading.outputs]
    rows = await request.app.state.database.fetch("api_ta", symbol, label, outputs)
    found = {row["name"]: row for row in rows}
    items: list[dict[str, object]] = []
    for name, reading in wanted.items():
        of_it = {suffix: found.get(name + suffix) for suffix in reading.outputs}
        main = of_it[""]
        values = {suffix: row["value"] for suffix, row in of_it.items() if row and main and row["time"] == main["time"]}
        # Outputs of different candles say nothing together: the one that is being written is a moment away.
        is_whole = main is not None and main["close"] is not None and len(values) == len(reading.outputs)
        items.append(
            {
                "name": name,
                "function": config.indicators[name].function,
                "interval": label,
                "parameters": msgspec.Raw(main["parameters"].encode()) if main else {},
                "time": main and main["time"],
                "close": main and main["close"],
                "values": {name + suffix: value for suffix, value in values.items()},
                "says": reading.says(values, main["close"]) if main and is_whole else None,
            }
        )
    return items
