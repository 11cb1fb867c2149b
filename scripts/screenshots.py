"""Take the pictures in docs/pictures anew: start the demo, look at Dagster's pages with a browser.

    make pictures

Needs Chromium (``apt-get install --no-install-recommends chromium``); CHROMIUM names another than /usr/bin/chromium.
Takes two minutes. The market is always the same, but how far it has come when a picture is taken is not.
"""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text

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
# Closed groups are four nodes.
FEW_NODES = 6
N_COLOURS = 256
TRIES = 10


def main() -> int:
    """Take all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with demo() as (url, lines):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(BROWSER_OPTIONS))
            try:
                page = browser.new_page(viewport={"width": WIDTH, "height": 900})
                # The column with the names of the pages is folded.
                page.add_init_script("localStorage.setItem('dagster-nav-collapsed', 'true')")
                take_pictures(page, url)
            finally:
                browser.close()
        wait_until(lambda: any(LAST_WORDS in line for line in lines[:-LINES_AFTER]), "the story's end")
        end = next(i for i, line in enumerate(lines) if LAST_WORDS in line) + LINES_AFTER
        draw_terminal(lines[: end + 1])
    for picture in sorted(PICTURES.iterdir()):
        print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size / 1000:.0f} kB")
    return 0


@contextmanager
def demo() -> Iterator[tuple[str, list[str]]]:
    """Run the demo until there is a backtest; give Dagster's address and what the demo has said so far."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "demo"],
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
    """Take each picture."""
    graph(page, url, "lineage", height=1000, selection=ONE_STRATEGY)
    graph(page, url, "lineage-all", height=2950)
    partitions = f"view=partitions&partition={quote(PARTITION)}"
    show(page, f"{url}/assets/candles/1m?{partitions}", "partitions", height=700)
    show(page, f"{url}/assets/candles/1m?view=checks", "checks", height=1050)
    show(page, f"{url}/assets/decisions/ma44?view=overview", "decisions", height=900, opened="Show Markdown")
    show(page, f"{url}/assets/backtests/ma44?{partitions}", "backtest-figures", height=1000)
    show(page, f"{url}/assets/backtests/ma44?{partitions}", "backtest", height=1000, opened="Show Markdown")


def show(page: Page, url: str, name: str, *, height: int, opened: str | None = None) -> None:
    """Take a picture of a page, or of what it shows when a link is followed."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(url)
    page.wait_for_timeout(SETTLE_MS)
    months = page.locator("input[value^='[']")
    if months.count():
        months.first.fill(MONTHS)
        months.first.press("Enter")
        page.wait_for_timeout(SETTLE_MS)
    if opened is not None:
        open_dialog(page, opened)
    save(page, name)


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
    save(page, name)


def save(page: Page, name: str) -> None:
    """Write a picture with few colours: a page has no more, and it is a third of the size."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(N_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
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
