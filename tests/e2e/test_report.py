"""The report of ``btc backtest --report`` in a browser: opened from the disk, with no network there."""

import json
import os
import shutil

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect, sync_playwright

from btc_assets.cli import main
from btc_core.model.backtest import BacktestResults
from btc_store.frames import open_frames
from tests.conftest import skip_or_fail
from tests.derivation import store_minutes
from tests.reports import market

pytestmark = pytest.mark.e2e

# No root's sandbox, no graphics card, and nothing asked of the network.
BROWSER_OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
RANGE = ("--symbol", "BTC", "--start", "2024-05-20", "--end", "2024-06-09")
# A phone's width, and a window's.
WIDTHS = {"phone": 390, "window": 1_200}


@pytest.fixture(scope="module")
def browser():
    """Chromium; in CI it has to be there."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        skip_or_fail("there is no Chromium: apt-get install --no-install-recommends chromium, or name one in CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(BROWSER_OPTIONS))
        yield started
        started.close()


@pytest.fixture
def btc(settings_for, database_url):
    """A function that runs ``btc backtest --json`` over three weeks of minutes and returns its answer."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", market())

    def run(*arguments):
        given = ["backtest", *RANGE, "--strategy", "ma", "--param", "period=9", "--json", *map(str, arguments)]
        result = CliRunner().invoke(main, given, obj=settings_for(database_url))
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return run


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_report_opens_from_the_disk(btc, browser, tmp_path, scheme, width):
    """Figures and charts are seen, nothing is asked of anyone, nothing is complained of, nothing sticks out."""
    file = tmp_path / "out.html"
    answer = btc("--intervals", "37m", "--report", file)
    assert answer["report"] == str(file)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    expect(page).to_have_title("ma on BTC, 37m")
    expect(page.get_by_role("img")).to_have_count(6)
    for chart in page.get_by_role("img").all():
        box = chart.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 150
    shown = dict(page.eval_on_selector_all("[data-figure]", "all => all.map(one => [one.dataset.figure, one.value])"))
    figures = {name: answer[name] for name in BacktestResults.__struct_fields__ if name in shown}
    assert len(figures) == 31
    assert {name: shown[name] for name in figures} == {
        name: "" if value is None else str(value) for name, value in figures.items()
    }
    assert (asked, said) == ([file.as_uri()], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    is_dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != "rgb(255, 255, 255)"
    assert is_dark == (scheme == "dark")
    context.close()


def test_a_figure_explains_itself(btc, browser, tmp_path):
    """Where the pointer rests, or a finger: the meaning in plain words."""
    file = tmp_path / "out.html"
    btc("--intervals", "37m", "--report", file)
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(file.as_uri())
    meaning = page.get_by_text("The deepest fall below an earlier highest equity.")
    expect(meaning).not_to_be_visible()
    page.get_by_text("Deepest drawdown", exact=True).click()
    expect(meaning).to_be_visible()
    box = meaning.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    page.close()


def test_several_intervals_print_on_a_few_pages(btc, browser, tmp_path):
    """One file with a section for each, light on A4 also where the screen is dark."""
    file = tmp_path / "out.html"
    answer = btc("--intervals", "37m,2h", "--report", file)
    assert len(answer["backtests"]) == 2
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    expect(page.locator("section.interval")).to_have_count(2)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(prefer_css_page_size=True)
    assert 2 <= printed.count(b"/Type /Page\n") <= 8
    page.close()


def test_the_answer_in_words_names_the_file(settings_for, btc, database_url, tmp_path):
    """Beside the figures; without the option no file is written."""
    file = tmp_path / "out.html"
    given = ["backtest", *RANGE, "--strategy", "ma44", "--intervals", "37m", "--force"]
    plain = CliRunner().invoke(main, given, obj=settings_for(database_url))
    assert (plain.exit_code, list(tmp_path.iterdir())) == (0, [])
    result = CliRunner().invoke(main, [*given, "--report", str(file)], obj=settings_for(database_url))
    assert result.stdout == f"{plain.stdout}report: {file}\n"
    assert list(tmp_path.iterdir()) == [file]
