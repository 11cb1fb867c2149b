"""Errors as answers: one shape, the right status, nothing of the inside."""

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.errors import ApiError, add_handlers, not_found
from btc_core.errors import BtcError, DatabaseError, DataError, InputError, UnknownNameError


async def answer_to(error):
    """Return what a client is answered where an endpoint raises an error."""
    app = FastAPI()
    add_handlers(app)

    @app.get("/")
    async def fail(n: int = 0):
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return await http.get("/")


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (InputError("start: expected …"), 422, "invalid_input"),
        (UnknownNameError("symbol", "BTX", ["BTC"]), 422, "unknown_symbol"),
        (DataError("no minute is stored"), 409, "conflict"),
        (DatabaseError("postgresql://user:secret@db/btc"), 503, "database_unavailable"),
        (asyncpg.QueryCanceledError("canceling SELECT secret"), 503, "too_slow"),
        (not_found("No such backtest."), 404, "not_found"),
        (ApiError(418, "teapot", "short and stout"), 418, "teapot"),
        (asyncpg.CharacterNotInRepertoireError("invalid byte secret"), 422, "invalid_input"),
        (BtcError("/home/somebody/secret"), 500, "internal_error"),
    ],
)
async def test_each_kind_has_its_status(error, status, word):
    """A word for programs, a sentence for people; no secret, path or SQL."""
    answer = await answer_to(error)
    assert (answer.status_code, answer.json()["error"]) == (status, word)
    assert set(answer.json()) == {"error", "detail", "hint"}
    assert "secret" not in answer.text


async def test_near_misses_are_the_hint():
    """What was wrong, and what is right."""
    told = (await answer_to(UnknownNameError("symbol", "BTX", ["BTC", "ETH"]))).json()
    assert told == {"error": "unknown_symbol", "detail": "unknown symbol 'BTX'.", "hint": "Did you mean BTC?"}
