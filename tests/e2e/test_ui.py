"""Dagster's web interface in a browser, over a real month with its outages: what a user opens every day."""

import os
import shutil
from urllib.parse import quote

import dagster as dg
import polars as pl
import pytest
from playwright.sync_api import expect, sync_playwright

from btc_core.partitions import month_range
from btc_store.frames import open_frames
from btc_store.ports import free_port
from btc_store.settings import project_root
from tests.conftest import skip_or_fail
from tests.derivation import shared_minutes, store_minutes
from tests.e2e.processes import processes

pytestmark = pytest.mark.e2e

SECONDS = 180
PARTITION = "2021-04-01|BTC"
# What one strategy rests on.
ONE_STRATEGY = '+key:"decisions/ma44"'
# No root's sandbox, no graphics card, and nothing asked of the network.
BROWSER_OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# The page draws itself anew every two seconds, and a busy machine is slower.
PAGE_MS = 60_000


@pytest.fixture(scope="module")
def chromium():
    """The browser; in CI it has to be there."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        skip_or_fail("there is no Chromium: apt-get install --no-install-recommends chromium, or name one in CHROMIUM")
    return found


@pytest.fixture
def stored(database_url, shared):
    """April 2021 of the real market, with the 150 and the 284 minutes that the exchange was down."""
    year = pl.read_parquet(shared / "data" / "candles" / "binance_btcusdt_1m_2021.parquet")
    april = month_range(year["time"][0].replace(month=4))
    minutes = shared_minutes(year).filter(pl.col("time").is_between(april.start, april.end, closed="left"))
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes)
    return database_url


@pytest.fixture
def dagster(stored, instance, tmp_path):
    """The code location, the daemon and the web server, and the month derived by what the sensor asked for."""
    port, ui = free_port(), free_port()
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: btc}}\n")
    with processes(tmp_path, DATABASE_URL=stored, DAGSTER_HOME=str(project_root())) as group:
        address = ("-h", "127.0.0.1", "-p", str(port), "--location-name", "btc")
        group.start("location", "dagster", "api", "grpc", "-m", "btc_assets.definitions", *address)
        group.start("web", "resources.webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(ui))
        group.wait_for("the code location", lambda: "Started Dagster code server" in group.log("location"), seconds=60)
        group.start("daemon", "dagster._daemon", "run", "-w", str(workspace))
        group.wait_for("the sensor's run", lambda: ended(instance), seconds=SECONDS)
        assert [run.status for run in ended(instance)] == [dg.DagsterRunStatus.SUCCESS]
        group.wait_for("the web server", lambda: "Serving dagster-webserver" in group.log("web"), seconds=60)
        yield Dagster(f"http://127.0.0.1:{ui}", group)


class Dagster:
    """The web server's address and the processes behind it."""

    def __init__(self, url, group):
        self.url, self.group = url, group

    def page(self, path):
        """Return the address of a page."""
        return self.url + path


@pytest.fixture
def page(chromium):
    """A window of the browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_OPTIONS))
        try:
            window = browser.new_page(viewport={"width": 1600, "height": 1000})
            window.set_default_timeout(PAGE_MS)
            yield window
        finally:
            browser.close()


def ended(instance):
    """Return the runs that have ended."""
    return [run for run in instance.get_runs() if run.is_finished]


def test_a_month_with_its_outages_is_seen_and_made_anew(dagster, page, instance):
    """Lineage, the month's partition, the failed check with the missing minutes; launches that succeed."""
    expect.set_options(timeout=PAGE_MS)
    # Dagster looks at backfills every 30 s: this one is waited for at the end.
    launches(dagster, page, "candles/30m", months="[2021-03-01...2021-04-01]", n=2)
    sees_the_lineage(dagster, page)
    sees_the_partition(dagster, page)
    sees_the_failed_check(dagster, page)
    launches(dagster, page, "candles/1h", months="2021-04-01", n=1)
    run = launched(dagster, instance, "1h")
    assert (run.status, run.tags["dagster/partition"]) == (dg.DagsterRunStatus.SUCCESS, PARTITION)
    page.goto(dagster.page(f"/runs/{run.run_id}"))
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    sees_the_backfill(dagster, page, launched(dagster, instance, "30m"))


def sees_the_lineage(dagster, page):
    """What decisions rest on, from the 1m candles on."""
    page.goto(dagster.page(f"/asset-groups~{quote(ONE_STRATEGY, safe='')}/"))
    # Groups are closed at first.
    expect(page.locator("svg foreignObject").first).to_be_visible()
    page.keyboard.press("Alt+e")
    for name in ("1m", "37m", "ma44"):
        expect(page.locator("svg foreignObject").get_by_text(name, exact=True).first).to_be_visible()


def sees_the_partition(dagster, page):
    """The month is there, with its rows."""
    page.goto(dagster.page(f"/assets/candles/37m?view=partitions&partition={quote(PARTITION)}"))
    expect(page.get_by_text("rows derived").first).to_be_visible()
    expect(page.get_by_text("Materialized").first).to_be_visible()


def sees_the_failed_check(dagster, page):
    """The check of the 1m candles failed in the one month, and a table says which of its minutes are missing."""
    page.goto(dagster.page("/assets/candles/1m?view=checks&checkDetail=gaps"))
    expect(page.get_by_text("Execution history", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Partitions").last.click()
    expect(page.get_by_text("Failed (1)", exact=True)).to_be_visible()
    months = page.locator("input[value^='[']").first
    months.fill("[2021-04-01...2021-04-01]")
    months.press("Enter")
    page.get_by_text("2021-04-01", exact=True).first.click()
    page.get_by_text("BTC", exact=True).first.click()
    for text in (PARTITION, "2 gaps, 434 minutes missing", "2021-04-20 02:00Z", "2021-04-25 04:01Z"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()


def launches(dagster, page, asset, *, months, n):
    """A click on Materialize, months and a symbol chosen."""
    page.goto(dagster.page(f"/assets/{asset}?view=overview"))
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_placeholder("2017-01-01")
    field.fill(months)
    field.press("Enter")
    dialog.get_by_role("button", name="All", exact=True).last.click()
    expect(dialog.get_by_text(f"{n} partition{'s' if n > 1 else ''}", exact=True).first).to_be_visible()
    dialog.get_by_role("button", name="Launch").click()
    expect(dialog).not_to_be_visible()


def launched(dagster, instance, interval):
    """Return the run of one asset that was launched, once it has ended; it is the only one."""

    def runs():
        key = dg.AssetKey(["candles", interval])
        return [run for run in ended(instance) if run.asset_selection == {key}]

    dagster.group.wait_for(f"the run of {interval} candles", runs, seconds=SECONDS)
    (run,) = runs()
    return run


def sees_the_backfill(dagster, page, run):
    """A range of months was one run; the backfill's page names them."""
    assert run.status == dg.DagsterRunStatus.SUCCESS
    ends = [run.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert ends == ["2021-03-01|BTC", PARTITION]
    page.goto(dagster.page(f"/runs/b/{run.tags['dagster/backfill']}"))
    for text in ("2021-03-01|BTC", PARTITION):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
