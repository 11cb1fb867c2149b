"""The API under whatever its own description allows, and what it does not: every check of Schemathesis, and no 500.

``BTC_TEST_CASES=200`` tries 5,000 cases and more; by default it is a tenth of that.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.api_market import clock, store_accounts, store_market
from tests.conftest import ROOT
from tests.dagster_web import dagster_web
from tests.streams import serving

EXAMPLES = os.environ.get("BTC_TEST_CASES", "12")


async def test_nothing_that_is_asked_breaks_it(settings_for, database_url, tmp_path):
    """Over a real database with three days of market in it; Dagster is made up."""
    settings = settings_for(database_url, BTC_CLOCK=clock())
    store_market(settings)
    store_accounts(settings)
    async with (
        dagster_web() as (_web, url),
        serving(settings_for(database_url, BTC_CLOCK=clock(), DAGSTER_URL=url)) as (port, _app),
    ):
        status, said = await _run(port, tmp_path)
    assert status == 0, said[-8000:]
    (n_cases,) = re.findall(r"([\d,]+) generated", said)
    print(f"{n_cases} cases")
    assert int(n_cases.replace(",", "")) > 400
    assert "500" not in re.findall(r"\[(\d{3})\]", said)


async def _run(port: int, folder: Path) -> tuple[int, str]:
    """Run the program; return its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(ROOT / "tests/schemathesis.toml")),
        *("run", f"http://127.0.0.1:{port}/openapi.json", "--checks", "all", "--max-examples", EXAMPLES),
        *("--seed", "1", "--no-color", "--suppress-health-check", "all", "--generation-database", "none"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
