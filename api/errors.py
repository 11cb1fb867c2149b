"""Errors as answers: ``{"error", "detail", "hint"}`` with the right status. No path, SQL or secret is in them."""

from http import HTTPStatus
from typing import Any

import asyncpg
import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from btc_core.errors import BtcError, DatabaseError, DataError, InputError, UnknownNameError

RETRY_SECONDS = 5


class Refusal(BaseModel):
    """What every answer that is none says: a word for programs, a sentence for people, and what to do."""

    error: str
    detail: str
    hint: str


class ApiError(BtcError):
    """A refusal that has a status of its own.

    Args:
        status: Of HTTP.
        error: One word for programs (``not_found``).
        detail: What was expected and what was found.
        hint: What to do.
        headers: That go with the answer.
    """

    def __init__(
        self, status: int, error: str, detail: str, *, hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.error = error
        self.hint = hint
        self.headers = headers
        super().__init__(detail)


def not_found(detail: str, *, hint: str = "") -> ApiError:
    """Return the refusal for what does not exist."""
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", detail, hint=hint)


def answer(status: int, error: str, detail: str, *, hint: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return the one shape that every error has."""
    body = msgspec.json.encode({"error": error, "detail": detail, "hint": hint})
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def add_handlers(app: FastAPI) -> None:
    """Let every error of ours, of the framework and of the database become an answer; the others are ``api.gate``'s."""
    app.add_exception_handler(BtcError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(asyncpg.QueryCanceledError, _too_slow)
    app.add_exception_handler(asyncpg.DataError, _no_value)


async def _of_ours(_request: Request, error: Any) -> Response:
    match error:
        case ApiError():
            return answer(error.status, error.error, str(error), hint=error.hint, headers=error.headers)
        case UnknownNameError():
            detail, _, hint = str(error).partition(". ")
            return answer(422, f"unknown_{error.kind.replace(' ', '_')}", f"{detail}.", hint=hint)
        case InputError():
            return answer(422, "invalid_input", str(error))
        case DatabaseError():
            return database_away()
        case DataError():
            return answer(409, "conflict", str(error))
        case _:
            return internal_error()


def database_away() -> Response:
    """Return the answer while the database cannot be asked; its address is nobody's business."""
    return answer(
        503,
        "database_unavailable",
        "The database does not answer.",
        hint=f"Try again in {RETRY_SECONDS} s; /api/v1/health says since when.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


async def _of_validation(_: Request, error: Any) -> Response:
    found = error.errors()[0]
    where = ".".join(str(part) for part in found["loc"][1:]) or str(found["loc"][0])
    return answer(422, "invalid_input", f"{where}: {found['msg']}.", hint="/docs lists what may be asked.")


async def _of_framework(request: Request, error: Any) -> Response:
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request))
    return answer(status, status.name.lower(), f"{error.detail}.", hint="/docs lists all addresses.", headers=headers)


def _methods_at(request: Request) -> list[str]:
    """Return what an address takes; the framework names those of its first route alone."""
    routes = (route for route in request.app.router.routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})


async def _too_slow(_request: Request, _error: Exception) -> Response:
    return answer(503, "too_slow", "The database took longer than 10 s.", hint="Ask for a shorter range.")


async def _no_value(_request: Request, _error: Exception) -> Response:
    """What is no value of its column (a zero byte, a number too large) can only stand in a cursor that is made up."""
    return answer(422, "invalid_input", "The database cannot hold such a value.", hint="/docs lists what may be asked.")


def internal_error() -> Response:
    """Return the answer to a fault of ours; what it was is in the log."""
    return answer(500, "internal_error", "Something went wrong here.", hint="The log of the server says what.")
