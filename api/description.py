"""The OpenAPI document: FastAPI's, with what only the configuration knows, so that `/docs` offers what there is."""

from typing import Any

from fastapi import FastAPI

from btc_core.config import Config

# ISO 8601; UTC without an offset, a date is its midnight.
_TIMES = [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]


def describe(app: FastAPI, config: Config) -> None:
    """Let an application describe its symbols and intervals as what is configured, and times as times."""
    made = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            for methods in document["paths"].values():
                for operation in methods.values():
                    for parameter in operation.get("parameters", ()):
                        _narrow(parameter, config)
        assert app.openapi_schema is not None, "it was just made"
        return app.openapi_schema

    app.openapi = described


def _narrow(parameter: dict[str, Any], config: Config) -> None:
    """Say of a parameter which values it takes, where its name says what it is."""
    if parameter["name"] == "strategy":
        parameter["schema"]["examples"] = list(config.strategies)
    if parameter["in"] != "query":
        return
    default = {"default": value} if (value := parameter["schema"].get("default")) is not None else {}
    match parameter["name"]:
        case "symbol":
            parameter["schema"] = {"type": "string", "enum": list(config.symbols), **default}
        case "interval":
            labels = ["1m", *(interval.label for interval in config.derived_intervals)]
            parameter["schema"] = {"type": "string", "enum": labels, **default}
        case "start" | "end":
            parameter["schema"] = {"anyOf": _TIMES}
        case _:
            return
    parameter.pop("example", None)
    parameter.pop("examples", None)
