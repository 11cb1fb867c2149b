"""Backtests as the API sees them: rows of ``backtest_runs``, and runs of Dagster's that have not made theirs yet.

The API writes nothing. A backtest that was asked for is a run, by its tag; when the run has begun it is a row; what
became of a run that ended without a word is known from Dagster again.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api.backtest_request import BacktestRequest, first_of, ids_of, new_id, op_config, parameters_of
from api.dagster import Dagster, Run
from api.database import Database
from api.errors import ApiError, not_found
from btc_core.config import Config

# As btc_assets/backtest_job.py calls them.
BACKTEST_JOB, COMPUTE_OP = "backtest", "compute_backtest"
REMOVE_JOB, DELETE_OP = "remove_backtest", "delete_backtest"
# Tags of runs: which backtest is computed or removed, and what was asked.
ID_TAG, REQUEST_TAG, REMOVES_TAG = "btc/backtest_id", "btc/request", "btc/removes"
OPEN = ("queued", "running")
_UNTOLD = "Its run ended without a word: it was killed, or could not begin. Dagster's page of the run says more."

Backtest = dict[str, Any]


class Backtests:
    """What can be done with backtests.

    Raises:
        DatabaseError: From every method, while the database is away.
        ApiError: 503 where Dagster is needed and away; 404 where there is no such backtest.
    """

    def __init__(self, database: Database, dagster: Dagster) -> None:
        self._database = database
        self._dagster = dagster
        # Of two requests with the same key at once, the second finds what the first has launched.
        self._launching = asyncio.Lock()

    async def launch(
        self, asked: BacktestRequest, config: Config, *, key: str | None, now: datetime
    ) -> tuple[UUID, list[str]]:
        """Put what is asked for into Dagster's queue; return the first id and the intervals.

        Raises:
            InputError: If something of it does not exist or is out of range.
            ApiError: 409 where the key was used for another request.
        """
        id_, digest = new_id(key), asked.digest()
        given = op_config(asked, config, id_, now=now)
        given["parameters"] = parameters_of(asked, await self.strategies())
        async with self._launching:
            known = await self._run_of(id_) if key is not None else None
            if known is None:
                await self._dagster.launch(BACKTEST_JOB, COMPUTE_OP, given, {ID_TAG: str(id_), REQUEST_TAG: digest})
            elif known.tags.get(REQUEST_TAG) != digest:
                raise ApiError(
                    409,
                    "conflict",
                    "This Idempotency-Key was used for another backtest.",
                    hint="Send another key, or the same request.",
                )
        return id_, given["intervals"]

    async def strategies(self) -> list[dict[str, Any]]:
        """Return the strategies that the code location has, with their parameters."""
        return await self._dagster.metadata(BACKTEST_JOB, "strategies")

    async def get(self, id_: UUID) -> Backtest:
        """Return a backtest."""
        row = await self._database.fetchrow("api_backtest", id_)
        if row is None:
            return await self._without_row(id_)
        backtest = backtest_of(row)
        if backtest["status"] not in OPEN:
            return backtest
        run = await self._run_under_way(backtest)
        if run is None:
            return backtest
        # It may have ended between the two questions.
        row = await self._database.fetchrow("api_backtest", id_)
        return _ended(backtest_of(row), run) if row else await self._without_row(id_)

    async def page(
        self, filters: Mapping[str, str | None], behind: tuple[datetime, UUID] | None, limit: int
    ) -> list[Backtest]:
        """Return backtests, the newest first; one whose run has ended without a word is told as failed."""
        wanted = (filters.get(name) for name in ("strategy", "symbol", "interval", "status"))
        rows = await self._database.fetch("api_backtests", *wanted, *(behind or (None, None)), limit)
        backtests = [backtest_of(row) for row in rows]
        if not any(backtest["status"] in OPEN for backtest in backtests):
            return backtests
        ids = list({each["run_id"] for each in backtests if each["status"] in OPEN and _is_run(each["run_id"])})
        try:
            runs = {run.id: run for run in await self._dagster.runs(limit=len(ids), runIds=ids)} if ids else {}
        except ApiError:
            return backtests
        return [_ended(each, run) if (run := runs.get(each["run_id"])) else each for each in backtests]

    async def delete(self, id_: UUID) -> str:
        """Cancel a backtest that is under way, or remove one that is over; return which of them.

        Raises:
            ApiError: 409 where it is not computed by Dagster.
        """
        backtest = await self.get(id_)
        if backtest["status"] in OPEN:
            if not _is_run(backtest["run_id"]):
                raise ApiError(
                    409,
                    "conflict",
                    "This backtest is computed by a command.",
                    hint="Stop `btc backtest` where it runs.",
                )
            await self._dagster.terminate(backtest["run_id"])
            return "cancelling"
        await self._dagster.launch(REMOVE_JOB, DELETE_OP, {"id": str(id_)}, {REMOVES_TAG: str(id_)})
        return "removing"

    async def _run_under_way(self, backtest: Backtest) -> Run | None:
        """Return the run of a backtest if it has ended; None where it goes on, is no run, or cannot be asked for."""
        if not _is_run(backtest["run_id"]):
            return None
        try:
            runs = await self._dagster.runs(limit=1, runIds=[backtest["run_id"]])
        except ApiError:
            return None
        return next((run for run in runs if run.is_ended), None)

    async def _run_of(self, first: UUID) -> Run | None:
        """Return the run that was launched for a request, unless its backtest was removed since."""
        for run in await self._dagster.runs(limit=1, tags={ID_TAG: str(first)}):
            return None if await self._is_removed(first, run) else run
        return None

    async def _is_removed(self, id_: UUID, run: Run) -> bool:
        """Return whether a backtest was removed after its run was launched."""
        removals = await self._dagster.runs(limit=1, tags={REMOVES_TAG: str(id_)}, statuses=["SUCCESS"])
        return any(removal.created_at >= run.created_at for removal in removals)

    async def _without_row(self, id_: UUID) -> Backtest:
        """Return a backtest that has no row: its run waits, or ended before it made one."""
        first, n = first_of(id_)
        unknown = not_found(f"There is no backtest {id_}.", hint="GET /api/v1/backtests lists them.")
        runs = await self._dagster.runs(limit=1, tags={ID_TAG: str(first)})
        if not runs or n >= len(runs[0].config["intervals"]) or await self._is_removed(id_, runs[0]):
            raise unknown
        (run,) = runs
        if run.status == "SUCCESS":
            # It may have made its row between the two questions; else somebody else has removed it.
            row = await self._database.fetchrow("api_backtest", id_)
            if row is None:
                raise unknown
            return backtest_of(row)
        return _ended(_queued(id_, n, run), run)


def answer_to(id_: UUID, intervals: list[str], status: str) -> dict[str, Any]:
    """Return what whoever asked for backtests is told at once."""
    parts = [
        {"id": str(each), "interval": label} for each, label in zip(ids_of(id_, len(intervals)), intervals, strict=True)
    ]
    return {"id": str(id_), "status": status, "backtests": parts}


def backtest_of(row: asyncpg.Record) -> Backtest:
    """Return a row with its JSON as it is."""
    backtest = dict(row)
    for name in ("config", "results"):
        backtest[name] = None if row[name] is None else msgspec.Raw(row[name].encode())
    return backtest


def _queued(id_: UUID, n: int, run: Run) -> Backtest:
    config = run.config
    return {
        "id": id_,
        "strategy": config["strategy"],
        "symbol": config["symbol"],
        "interval": config["intervals"][n],
        "start_time": config["start"],
        "end_time": config["end"],
        "status": "queued",
        "progress": 0.0,
        "error": None,
        "config": {**config["rules"], "parameters": config["parameters"]},
        "results": None,
        "created_at": run.created_at,
        "finished_at": None,
        "run_id": run.id,
        "has_report": False,
    }


def _ended(backtest: Backtest, run: Run) -> Backtest:
    """Return a backtest whose run may have ended without saying so."""
    if backtest["status"] not in OPEN or not run.is_ended:
        return backtest
    is_cancelled = run.status == "CANCELED"
    return {
        **backtest,
        "status": "cancelled" if is_cancelled else "failed",
        "error": "Its run was cancelled." if is_cancelled else _UNTOLD,
        "finished_at": run.ended_at,
    }


def _is_run(run_id: str | None) -> bool:
    """Return whether an id is one of Dagster's, and not a command's."""
    try:
        UUID(run_id or "")
    except ValueError:
        return False
    return True
