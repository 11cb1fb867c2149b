"""The dashboard's files: whole, without anything from elsewhere, and sent once."""

import gzip
import hashlib
import re

import httpx
import pytest
from fastapi import FastAPI

from api.errors import add_handlers
from api.routes.dashboard import FOLDER, router, static_files

SCRIPTS = {path: path.read_text() for path in sorted(FOLDER.glob("*.js"))}
STYLES = {path: path.read_text() for path in sorted((FOLDER / "css").glob("*.css"))}
PAGE = (FOLDER / "index.html").read_text()


@pytest.fixture
async def http():
    """A client of an application that has the dashboard alone: no database, no settings."""
    app = FastAPI()
    app.include_router(router)
    add_handlers(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_the_page_is_sent_packed_and_only_once(http):
    """Packed where that is understood; a browser that has it already hears so."""
    answer = await http.get("/dashboard")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "no-cache"
    plain = await http.get("/dashboard/index.html", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == gzip.decompress(static_files()["index.html"].packed)
    again = await http.get("/dashboard", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("main.js", "text/javascript"), ("css/theme.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
async def test_a_file_has_the_type_that_a_browser_wants(http, path, kind):
    """No machine's own table of types decides whether the dashboard works."""
    answer = await http.get(f"/dashboard/{path}")
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


async def test_what_has_a_version_in_its_name_is_kept_for_a_year(http):
    """The library is asked for once."""
    (name,) = [name for name in static_files() if re.fullmatch(r"vendor/lightweight-charts-[\d.]+\.js", name)]
    assert "immutable" in (await http.get(f"/dashboard/{name}")).headers["cache-control"]


@pytest.mark.parametrize("path", ["nothing.js", "../dashboard.py", "..%2f..%2f__init__.py", "%2fetc%2fpasswd", "css"])
async def test_no_other_path_leads_anywhere(http, path):
    """What is not in the folder is not there."""
    answer = await http.get(f"/dashboard/{path}")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_everything_that_is_asked_for_is_there():
    """Scripts, styles and pictures of the page; modules of modules; every id that a script fills."""
    wanted = re.findall(r'(?:src|href)="dashboard/([^"]+)"', PAGE)
    wanted += [path.removeprefix("./") for text in SCRIPTS.values() for path in re.findall(r' from "([^"]+)"', text)]
    assert len(wanted) > 30
    assert set(wanted) <= set(static_files())
    ids = {name for text in SCRIPTS.values() for name in re.findall(r'byId\("([^"]+)"\)', text)}
    assert ids
    assert ids <= set(re.findall(r'id="([^"]+)"', PAGE))


def test_no_file_is_left_over():
    """Every module is reached from the page, or from /docs."""
    reached, waiting = {"docs.js"}, ["main.js", "theme_early.js"]
    while waiting:
        name = waiting.pop()
        if name not in reached and "/" not in name:
            reached.add(name)
            waiting += [path.removeprefix("./") for path in re.findall(r' from "([^"]+)"', SCRIPTS[FOLDER / name])]
    assert reached == {path.name for path in SCRIPTS}
    assert {path.name for path in STYLES} == set(re.findall(r"css/([\w-]+\.css)", PAGE))


def test_nothing_is_inline_or_from_elsewhere():
    """The policy of the API's gate allows files of ours alone; text becomes an element as text."""
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", PAGE)
    for path, text in SCRIPTS.items():
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path
        assert not re.search(r"""["'`](?:https?:)?//""", text), path
    for path, text in STYLES.items():
        assert "url(" not in text, path


def test_what_is_not_ours_is_unchanged():
    """Each vendored file is the one that vendor/README.md names, with its licence."""
    folder = FOLDER / "vendor"
    told = dict(re.findall(r"sha256 of `([^`]+)` \| `(\w{64})`", (folder / "README.md").read_text()))
    found = {path.name for path in folder.iterdir() if path.suffix in {".js", ".css"}}
    assert set(told) == found
    for name, digest in told.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert (folder / f"{re.split(r'-[0-9]', name)[0]}-LICENSE.txt").is_file()
