"""Endpoints about strategies: which can be simulated, and what each is tuned by."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.backtests import Backtests
from api.query import json_answer

router = APIRouter(prefix="/api/v1/strategies", tags=["backtests"])


class StrategyParameter(BaseModel):
    """A number with its inclusive range; whole where the default is. ``words`` may be said instead of numbers."""

    name: str
    default: float
    low: float
    high: float
    meaning: str
    words: dict[str, float]


class Strategy(BaseModel):
    """A rule to trade by."""

    name: str
    description: str
    parameters: list[StrategyParameter]


class StrategyPage(BaseModel):
    """All strategies, by name."""

    items: list[Strategy]
    next: None


@router.get("", response_model=StrategyPage)
async def list_strategies(request: Request) -> Response:
    """List the strategies that can be simulated; Dagster's code location has them."""
    backtests: Backtests = request.app.state.backtests
    return json_answer({"items": await backtests.strategies(), "next": None})
