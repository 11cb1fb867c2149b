"""The application as a whole: what surrounds every answer, and what happens while the database is away."""

import shutil
import subprocess
import sys

import httpx
import pytest

from btc_store.embedded import FALLBACK_FOLDER, EmbeddedPostgres
from btc_store.ports import free_port
from btc_store.schema import upgrade
from tests.api_market import reading
from tests.conftest import ROOT


async def test_every_answer_has_the_headers_that_keep_a_browser_safe(settings_for, database_url):
    """Also an error, and a page."""
    async with reading(settings_for(database_url)) as http:
        for path in ("/", "/api/v1/candles", "/nowhere", "/dashboard", "/docs"):
            headers = (await http.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert "unsafe" not in headers["content-security-policy"], path
            assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY"), path
            assert "access-control-allow-origin" not in headers
            assert "server" not in headers


async def test_other_pages_may_read_it_only_where_that_is_configured(settings_for, database_url, tmp_path):
    """CORS is off by default."""
    config = (ROOT / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(config.replace("cors_origins: []", "cors_origins: [https://charts.example]"))
    settings = settings_for(database_url, BTC_CONFIG=str(tmp_path / "config.yaml"))
    async with reading(settings) as http:
        mine = await http.get("/", headers={"Origin": "https://charts.example"})
        other = await http.get("/", headers={"Origin": "https://elsewhere.example"})
    assert mine.headers["access-control-allow-origin"] == "https://charts.example"
    assert "access-control-allow-origin" not in other.headers


async def test_every_endpoint_is_described(settings_for, database_url):
    """OpenAPI: each has a summary, and its refusals the one shape."""
    async with reading(settings_for(database_url)) as http:
        told = (await http.get("/openapi.json")).json()
        page = (await http.get("/docs")).text
        for src in ("/dashboard/vendor/swagger-ui-5.35.0.js", "/dashboard/docs.js"):
            assert src in page
            assert (await http.get(src)).status_code == 200
    paths = {
        *("/", "/api/v1/candles", "/api/v1/candles/latest", "/api/v1/indicators", "/api/v1/decisions"),
        *("/api/v1/backtests", "/api/v1/backtests/{id}", "/api/v1/backtests/{id}/trades"),
        *("/api/v1/backtests/{id}/equity", "/api/v1/stats", "/api/v1/health", "/api/v1/ta", "/api/v1/quality"),
        *("/api/v1/export/csv", "/metrics", "/api/v1/paper", "/api/v1/paper/{strategy}"),
        *("/api/v1/paper/{strategy}/trades", "/api/v1/paper/{strategy}/equity"),
    }
    assert paths <= set(told["paths"])
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"
            assert operation["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("Refusal")


async def test_a_database_that_goes_away_and_comes_back(settings_for, tmp_path_factory):
    """503 with Retry-After, without a word of where it is; the server stays up, and heals by itself."""
    port = free_port()
    # Where we are root the server is somebody else, who has to get there.
    folder = FALLBACK_FOLDER / tmp_path_factory.mktemp("btc-away").name
    folder.mkdir()
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pg", is_disposable=True, port=port)
    with server:
        upgrade(server.url)
        url = server.url
        async with reading(settings_for(url)) as http:
            assert (await http.get("/api/v1/candles")).status_code == 200
            server.stop()
            for path in ("/api/v1/candles", "/api/v1/stats", "/api/v1/export/csv", "/api/v1/quality/days"):
                away = await http.get(path)
                assert (away.status_code, away.json()["error"]) == (503, "database_unavailable"), away.text
                assert int(away.headers["retry-after"]) > 0
                assert str(port) not in away.text
            assert (await http.get("/api/v1/health")).json()["parts"][0]["status"] == "down"
            server.start()
            assert (await http.get("/api/v1/candles")).status_code == 200
    shutil.rmtree(folder)


def test_it_reaches_none_of_the_pipeline_s_libraries():
    """They would cost more memory than everything else."""
    absent = ["dagster", "polars", "numpy", "numba", "duckdb", "pyarrow", "sqlalchemy", "matplotlib"]
    code = f"import sys, api.__main__, api.app; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_what_is_only_read_cannot_be_written(settings_for, database_url, method):
    """405, in the one shape."""
    async with reading(settings_for(database_url)) as http:
        answer = await http.request(method, "/api/v1/candles")
    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
    assert isinstance(http, httpx.AsyncClient)
