"""Another exchange for tests of history: klines over HTTP as Binance speaks them, and ccxt's client that knows it.

``ccxt:elsewhere`` is ccxt's own binance class with addresses on loopback; nothing of ccxt is replaced.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ccxt
import pytest

from btc_core.model.timerange import MINUTE, from_ms, to_ms

NAME = "elsewhere"
Row = tuple[float, float, float, float, float]


class KlineServer:
    """Markets and their minutes.

    Attributes:
        candles: By market (``BTCUSDT``) and minute: open, high, low, close, volume.
        asked: Start and number of rows of each request for klines, in order.
        faults: HTTP statuses (and bodies) that the next requests for klines are answered with.
    """

    def __init__(self, candles: Mapping[str, Mapping[datetime, Row]]) -> None:
        self.candles = {market: dict(sorted(rows.items())) for market, rows in candles.items()}
        self.asked: list[tuple[datetime, int]] = []
        self.faults: list[tuple[int, str]] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, str]:
        """Return the status and the body of a GET."""
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/exchangeInfo"):
            is_spot = parts.path.startswith("/spot/")
            return 200, json.dumps({"symbols": [_market(name) for name in self.candles] if is_spot else []})
        if not parts.path.endswith("/klines"):
            return 404, "{}"
        start, limit = from_ms(int(query["startTime"])), int(query["limit"])
        self.asked.append((start, limit))
        if self.faults:
            return self.faults.pop(0)
        rows = [(at, row) for at, row in self.candles[query["symbol"]].items() if at >= start][:limit]
        return 200, json.dumps([_kline(at, row) for at, row in rows])


@contextmanager
def serve_klines(
    candles: Mapping[str, Mapping[datetime, Row]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[KlineServer]:
    """Run an exchange that ccxt knows as ``elsewhere`` for the time of a ``with`` block."""
    exchange = KlineServer(candles)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = exchange.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    exchange.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    _introduce(exchange.url, monkeypatch)
    try:
        yield exchange
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _introduce(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ccxt know the exchange."""
    places = {"public": "spot", "fapiPublic": "linear", "dapiPublic": "inverse", "eapiPublic": "option"}

    class Elsewhere(ccxt.binance):
        def describe(self) -> Any:
            api = {key: f"{url}/{place}" for key, place in places.items()}
            return self.deep_extend(super().describe(), {"id": NAME, "urls": {"api": api}})

    monkeypatch.setattr(ccxt, NAME, Elsewhere, raising=False)
    monkeypatch.setattr(ccxt, "exchanges", [*ccxt.exchanges, NAME])


def _market(name: str) -> dict[str, object]:
    base, quote = name[:-4], name[-4:]
    return {
        "symbol": name,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "isSpotTradingAllowed": True,
        "permissions": ["SPOT"],
        "filters": [],
        "orderTypes": [],
    }


def _kline(at: datetime, row: Row) -> list[object]:
    open_ms = to_ms(at)
    return [open_ms, *(str(value) for value in row), to_ms(at + MINUTE) - 1, "0", 12, "0", "0", "0"]
