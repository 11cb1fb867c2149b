"""The dashboard: static files, held in memory. What it shows the browser asks of the API; this needs no database."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from api.errors import not_found

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).resolve().parent.parent / "static"
PAGE = "index.html"
# Names in this folder have a version in them: what is behind one never changes.
VENDORED = "vendor/"
KEEP = "public, max-age=31536000, immutable"
# Kept as well, and asked for each time whether it is still the same.
ASK = "no-cache"
# What a browser refuses to run under another name, whatever the machine's own table of types says.
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".md": "text/plain",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent: plain and packed, with what tells a browser whether it has it already."""

    body: bytes
    packed: bytes
    headers: dict[str, str]


@router.api_route("/dashboard", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Return the page; all else is beside it."""
    return _answer(request, PAGE)


@router.api_route("/dashboard/{path:path}", methods=["GET", "HEAD"])
async def file(request: Request, path: str) -> Response:
    """Return one of its files."""
    return _answer(request, path or PAGE)


def _answer(request: Request, path: str) -> Response:
    found = static_files().get(path)
    if found is None:
        raise not_found(f"The dashboard has no file {path!r}", hint="/dashboard is the page")
    if found.headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=found.headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers={**found.headers, "Content-Encoding": "gzip"})
    return Response(found.body, headers=found.headers)


@cache
def static_files() -> dict[str, StaticFile]:
    """Return all files by their path below the folder; no other path leads anywhere."""
    files = (path for path in sorted(FOLDER.rglob("*")) if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in files}


def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    is_vendored = path.relative_to(FOLDER).as_posix().startswith(VENDORED)
    headers = {
        "Content-Type": f"{kind}; charset=utf-8",
        # Weak: plain and packed are the same to a reader, and not byte for byte.
        "ETag": f'W/"{hashlib.sha256(body).hexdigest()[:24]}"',
        "Cache-Control": KEEP if is_vendored and path.suffix == ".js" else ASK,
        "Vary": "Accept-Encoding",
    }
    return StaticFile(body, gzip.compress(body, mtime=0), headers)
