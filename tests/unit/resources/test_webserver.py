"""Dagster's web server behind its guard: what another page in the browser may send, and what everybody else may."""

from typing import Any

import httpx
import pytest

from resources.webserver import GuardedWebserver, fault_of

HOST = "127.0.0.1:3000"
DELETE = {"query": 'mutation { deletePipelineRun(runId: "x") { __typename } }'}


@pytest.fixture(scope="module")
def app() -> Any:
    """The real application, which has no instance: whatever gets through to it fails there."""
    return GuardedWebserver(None).create_asgi_app()


@pytest.fixture
async def browser(app):
    """A client of it."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Accept": "image/*,*/*"}),
        ("GET", {}),
        ("HEAD", {}),
        ("POST", {"Origin": "https://evil.example"}),
        ("POST", {"Origin": "null"}),
        ("POST", {"Origin": "http://127.0.0.1:8000"}),
        ("POST", {"Origin": "https://evil.example", "Content-Type": "text/plain; application/json"}),
    ],
)
async def test_another_page_cannot_give_commands(browser, method, headers):
    """By an image, a script or a form; from elsewhere, a file, or another port of this machine."""
    answer = await browser.request(method, "/graphql", params=DELETE, headers=headers)
    assert answer.status_code == 403
    assert method == "HEAD" or answer.text.startswith("expected a")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{HOST}"},
        {"Origin": "https://dagster.example", "X-Forwarded-Host": "dagster.example"},
    ],
)
async def test_its_own_pages_and_programs_are_heard(browser, headers):
    """They get as far as Dagster itself."""
    answer = await browser.post("/graphql", json={"query": "{ version }"}, headers=headers)
    assert answer.status_code != 403
    assert not answer.text.startswith("expected a")


async def test_pages_are_read(browser):
    """A link leads to them, also the one for questions by hand."""
    for path in ("/graphql", "/favicon.png"):
        assert (await browser.get(path, headers={"Accept": "text/html"})).status_code == 200


@pytest.mark.parametrize(("origin", "may"), [(None, True), (f"http://{HOST}", True), ("https://evil.example", False)])
def test_a_websocket_of_another_page_is_closed(origin, may):
    """Browsers let every page open one to everywhere."""
    headers = [(b"host", HOST.encode()), *([(b"origin", origin.encode())] if origin else [])]
    assert (fault_of({"type": "websocket", "path": "/graphql", "headers": headers}) is None) == may
