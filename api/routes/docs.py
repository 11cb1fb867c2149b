"""``/docs``: every endpoint with its examples, by Swagger UI, vendored: no page of ours loads from elsewhere."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>BTC data: endpoints</title>
<link rel="stylesheet" href="/dashboard/vendor/swagger-ui-5.35.0.css">
<script src="/dashboard/vendor/swagger-ui-5.35.0.js" defer></script>
<script src="/dashboard/docs.js" defer></script>
</head>
<body><div id="swagger-ui"></div></body>
</html>
"""


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(_PAGE)
