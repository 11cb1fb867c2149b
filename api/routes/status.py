"""``/``: what this is, and where to go on."""

from fastapi import APIRouter, Request, Response

from api.query import json_answer
from btc_core.version import CODE_VERSION

router = APIRouter(tags=["status"])


@router.get("/")
async def status(request: Request) -> Response:
    """Say what this is. It asks nobody: it answers while the database is away."""
    return json_answer(
        {
            "name": "btc-data",
            "version": CODE_VERSION,
            "now": request.app.state.settings.now(),
            "links": {
                "dashboard": "/dashboard",
                "documentation": "/docs",
                "health": "/api/v1/health",
                "stream": "/api/v1/stream",
            },
        }
    )
