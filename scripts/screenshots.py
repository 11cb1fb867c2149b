"""Take the pictures in docs/pictures anew: start the demo, look at Dagster's pages with a browser.

    make pictures
    .venv/bin/python scripts/screenshots.py dashboard     # those of the dashboard alone; what follows is the demo's

Needs Chromium (``apt-get install --no-install-recommends chromium``); CHROMIUM names another than /usr/bin/chromium.
Takes four minutes. The market is always the same, but how far it has come when a picture is taken is not. No minute of
it is ever missing: in the end two outages are cut into its past, and what hangs on it is derived anew.
"""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Literal
from urllib.parse import quote

import psycopg2
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.text import Text

from demo.launch import ENDED_BADLY, SUCCEEDED, launch_asset, status_of
from demo.services import LOCATION

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# No root's sandbox, no graphics card, and nothing asked of the network.
BROWSER_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTH = 1600
# The pages draw themselves anew every two seconds.
SETTLE_MS = 5_000
TERMINAL_COLUMNS = 128
# The story is told when this was said, and a little of what follows.
LAST_WORDS = "from the start to the first backtest"
LINES_AFTER = 6
PATIENCE_SECONDS = 300
# What one strategy rests on, and the backtest of it.
ONE_STRATEGY = '+key:"decisions/ma44" or +key:"backtests/ma44"'
# The month in which the demo begins.
PARTITION = "2025-01-01|BTC"
# Those that have data, and their neighbours.
MONTHS = "[2024-09-01...2025-02-01]"
# In one of them the exchange is made to have been down.
OUTAGES = (("2024-12-09 14:07Z", "2024-12-09 14:44Z"), ("2024-12-20 03:00Z", "2024-12-20 05:28Z"))
# Words of the run's log.
PROGRESS = "partitions|are|done"
OUTAGE_MONTH = "2024-12-01"
# Months before the demo begins.
PAPER_START = "2024-11-01"
# What is drawn moves no more.
CALM_MS = 1_500
CUT = "DELETE FROM candles WHERE symbol = 'BTC' AND interval = '1m' AND time >= %s AND time < %s"
# Closed groups are four nodes.
FEW_NODES = 6
N_COLOURS = 256
TRIES = 10


def main() -> int:
    """Take all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    is_all = sys.argv[1:2] != ["dashboard"]
    with demo(sys.argv[2:]) as (url, lines):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(BROWSER_OPTIONS))
            try:
                page = browser.new_page(viewport={"width": WIDTH, "height": 900})
                page.set_default_timeout(PATIENCE_SECONDS * 1000)
                # The column with the names of the pages is folded.
                page.add_init_script("localStorage.setItem('dagster-nav-collapsed', 'true')")
                if is_all:
                    take_pictures(page, url)
                backfill = derive_with_outages(lines)
                if is_all:
                    take_pictures_of_outages(page, url, backfill)
                take_pictures_of_dashboard(browser, lines)
            finally:
                browser.close()
        if is_all:
            wait_until(lambda: any(LAST_WORDS in line for line in lines[:-LINES_AFTER]), "the story's end")
            end = next(i for i, line in enumerate(lines) if LAST_WORDS in line) + LINES_AFTER
            draw_terminal(lines[: end + 1])
    for picture in sorted(PICTURES.iterdir()):
        print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size / 1000:.0f} kB")
    return 0


@contextmanager
def demo(options: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Run the demo until there is a backtest; give Dagster's address and what the demo has said so far.

    Its paper accounts follow what was decided in its past, too: in some minutes there would be little to see.
    """
    with TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        text = (ROOT / "config.yaml").read_text(encoding="utf-8")
        config.write_text(text.replace("paper: {}", f"paper: {{start: {PAPER_START}}}"), encoding="utf-8")
        # For the commands beside it, too: accounts are opened anew where somebody says otherwise.
        os.environ["BTC_CONFIG"] = str(config)
        with running_demo(options) as told:
            yield told


@contextmanager
def running_demo(options: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Run the demo, as ``demo`` says."""
    process = subprocess.Popen(  # noqa: S603  # our own words
        [sys.executable, "-u", "-m", "demo", *options],
        cwd=ROOT,
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"},
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None, "asked for"
    reader = Thread(target=lines.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        wait_until(lambda: process.poll() is not None or any(LAST_WORDS in line for line in lines), "a backtest")
        if process.poll() is not None:
            sys.exit("the demo ended: " + "".join(lines))
        yield next(line.split()[-1] for line in map(plain, lines) if "Dagster UI" in line), lines
    finally:
        process.terminate()
        process.wait(60)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something, not for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come within {PATIENCE_SECONDS} s")
        time.sleep(0.2)


def take_pictures(page: Page, url: str) -> None:
    """Take each picture of a market without a fault."""
    graph(page, url, "lineage", height=1000, selection=ONE_STRATEGY)
    graph(page, url, "lineage-all", height=2950)
    partitions = f"view=partitions&partition={quote(PARTITION)}"
    show(page, f"{url}/assets/candles/1m?{partitions}", "partitions", height=700)
    show(page, f"{url}/assets/decisions/ma44?view=events", "live-lane", height=700)
    show(page, f"{url}/assets/backtests/ma44?{partitions}", "backtest-figures", height=1000)
    show(page, f"{url}/assets/backtests/ma44?{partitions}", "backtest", height=1000, then=open_plot)


def derive_with_outages(lines: list[str]) -> str:
    """Cut the outages out of the past and derive its months in one run; return the run's id."""
    database = next(found[1] for line in map(plain, lines) if (found := re.search(r"DATABASE_URL=(\S+),", line)))
    connection = psycopg2.connect(database)
    try:
        with connection, connection.cursor() as cursor:
            cursor.executemany(CUT, OUTAGES)
    finally:
        connection.close()
    command = "derive --symbol BTC --start 2024-10-01 --end 2025-01-01 --json"
    done = subprocess.run(  # noqa: S603  # the words above
        [sys.executable, "-m", "btc_assets.cli", *command.split()],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)["run_id"]


def take_pictures_of_outages(page: Page, url: str, backfill: str) -> None:
    """Take the pictures of a check that failed, of the months that it looked at, and of the run that did."""
    gaps = f"{url}/assets/candles/1m?view=checks&checkDetail=gaps"
    show(page, gaps, "outages", height=900, then=open_outage)
    show(page, gaps, "checks", height=800, then=open_history)
    show(page, f"{url}/runs/{backfill}?logs={quote(PROGRESS)}", "backfill", height=900, then=wait_for_progress)
    # A picture is drawn where a whole month is asked for.
    with ThreadPoolExecutor() as elsewhere:
        # This thread has the browser's event loop.
        elsewhere.submit(asyncio.run, materialise(url, ("decisions", "ma44"), f"{OUTAGE_MONTH}|BTC")).result()
    month = f"view=partitions&partition={quote(OUTAGE_MONTH + '|BTC')}"
    show(page, f"{url}/assets/decisions/ma44?{month}", "decisions", height=900, then=open_plot)


async def materialise(url: str, asset: tuple[str, str], partition: str) -> None:
    """Materialise a partition of an asset, and wait until it is done."""
    run_id = await launch_asset(url, location=LOCATION, asset=asset, first=partition, last=partition)
    while (status := await status_of(url, run_id)) != SUCCEEDED:
        if status in ENDED_BADLY:
            sys.exit(f"{url}/runs/{run_id} ended as {status}")
        await asyncio.sleep(1)


def take_pictures_of_dashboard(browser: Browser, lines: list[str]) -> None:
    """Take the pictures of the dashboard: the market, two backtests, a paper account, the days with the outages."""
    url = next(line.split()[-1] for line in map(plain, lines) if line.rstrip().endswith("/dashboard"))
    for name, theme, (width, height) in (
        ("dashboard", "light", (1440, 900)),
        ("dashboard-dark", "dark", (1440, 900)),
        ("dashboard-phone", "light", (375, 812)),
    ):
        page = dashboard(browser, url, theme, width, height)
        page.locator("#chart[data-state=ready]").wait_for()
        page.locator("#decisions li button").nth(1).click()
        page.locator("#link[data-state=live]").wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.mouse.move(0, 0)
        save(page, name, settle_ms=CALM_MS)
    page = dashboard(browser, f"{url}?tab=backtests", "light", 1440, 1000)
    # The story's own, of one strategy.
    page.locator("#backtest-list .open", has_text="148m").first.click()
    page.get_by_role("button", name="Compare with ma44 · 37m").first.click()
    page.locator("#backtest .two").wait_for()
    save(page, "dashboard-backtest", settle_ms=CALM_MS)
    page = dashboard(browser, f"{url}?tab=paper&account=ma44|148m", "light", 1440, 1000)
    page.locator("#account .curve[data-points]").wait_for()
    page.locator("#account .trades tbody tr").first.wait_for()
    save(page, "dashboard-paper", settle_ms=CALM_MS)
    outage = OUTAGES[-1][0].split()[0]
    page = dashboard(browser, f"{url}?tab=quality&day={outage}", "light", 1440, 900)
    page.locator("#day-detail table").wait_for()
    save(page, "dashboard-quality", settle_ms=CALM_MS)


def dashboard(browser: Browser, url: str, theme: str, width: int, height: int) -> Page:
    """Return a window on the dashboard."""
    scheme: Literal["light", "dark"] = "dark" if theme == "dark" else "light"
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.goto(url)
    return page


def choose_months(page: Page) -> None:
    """Choose the months that have data, where the page has months."""
    months = page.locator("input[value^='[']")
    if months.count():
        months.first.fill(MONTHS)
        months.first.press("Enter")
        page.wait_for_timeout(SETTLE_MS)


def show(page: Page, url: str, name: str, *, height: int, then: Callable[[Page], None] = choose_months) -> None:
    """Take a picture of a page, after what is done on it."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(url)
    page.wait_for_timeout(SETTLE_MS)
    then(page)
    save(page, name)


def open_plot(page: Page) -> None:
    """Look at the picture in the metadata."""
    choose_months(page)
    open_dialog(page, "Show Markdown")


def wait_for_progress(page: Page) -> None:
    """Wait for the lines of the log."""
    page.get_by_text("partitions are done").first.wait_for()


def open_history(page: Page) -> None:
    """Look at the results of a check."""
    page.get_by_role("tab", name="Execution history").click()
    page.get_by_text("minutes missing").first.wait_for()


def open_outage(page: Page) -> None:
    """Look at what a check says of the month with the outages."""
    page.get_by_role("tab", name="Execution history").wait_for()
    # The check's months: the asset's own tab of that name is the first.
    page.get_by_role("tab", name="Partitions").last.click()
    page.wait_for_timeout(SETTLE_MS)
    choose_months(page)
    page.get_by_text(OUTAGE_MONTH, exact=True).first.click()
    page.get_by_text("BTC", exact=True).first.click()
    page.get_by_text("minutes missing").first.wait_for()


def open_dialog(page: Page, link: str) -> None:
    """Follow a link to its dialog. A page that draws itself anew at that moment closes it: then again."""
    for _ in range(TRIES):
        page.get_by_text(link).first.click()
        page.wait_for_timeout(1_000)
        if page.get_by_role("button", name="Close").count():
            return
    sys.exit(f"{link} does not open")


def graph(page: Page, url: str, name: str, *, height: int, selection: str = "") -> None:
    """Take a picture of the asset graph, or of a selection of it, with all groups open."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(f"{url}/asset-groups" + (f"~{quote(selection, safe='')}/" if selection else ""))
    page.wait_for_timeout(SETTLE_MS)
    # Groups that are open stay open.
    if page.get_by_text("fetching statuses").count() or page.locator("svg foreignObject").count() < FEW_NODES:
        page.keyboard.press("Alt+e")
        page.wait_for_timeout(SETTLE_MS)
    page.get_by_text("Loading").first.wait_for(state="hidden")
    save(page, name)


def save(page: Page, name: str, *, settle_ms: int = 0) -> None:
    """Write a picture with few colours: a page has no more, and it is a third of the size."""
    page.wait_for_timeout(settle_ms)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    # Means over what was gathered: a large area keeps its own colour.
    picture.quantize(N_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(
        PICTURES / f"{name}.png", optimize=True
    )


def draw_terminal(lines: list[str]) -> None:
    """Draw what the demo said as a terminal would show it."""
    console = Console(record=True, width=TERMINAL_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo"))
    for line in lines:
        console.print(Text.from_ansi(line.rstrip("\n")))
    console.save_svg(str(PICTURES / "demo.svg"), title="make demo")


def plain(line: str) -> str:
    """Return a line without colours."""
    return Text.from_ansi(line).plain


if __name__ == "__main__":
    sys.exit(main())
