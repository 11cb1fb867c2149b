"""``/metrics``: the API's own figures and the pipeline's, for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

router = APIRouter(tags=["status"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Return the figures of this process, and what it reads of the pipeline in the database (docs/monitoring.md)."""
    state = request.app.state
    pages = (state.figures.registry, await state.watch.page())
    return Response(b"".join(map(generate_latest, pages)), media_type=CONTENT_TYPE_LATEST)
