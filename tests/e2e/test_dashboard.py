"""The dashboard in a real browser: what a person sees of the market, of backtests and of the data, and does there."""

import os
import random
import shutil
import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
import httpx
import polars as pl
import psycopg2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.strategy import load_strategy
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.embedded import FALLBACK_FOLDER, EmbeddedPostgres
from btc_store.frames import open_frames
from btc_store.ports import free_port
from btc_store.schema import upgrade
from btc_store.settings import project_root
from live.plan import plan_of
from tests.api_market import store_accounts
from tests.conftest import skip_or_fail
from tests.derivation import RULE, made_minutes, note_no_trade, store_minutes
from tests.e2e.processes import ROOT, processes, scaled_clock
from tests.live_lane import one_pass

pytestmark = pytest.mark.e2e

BROWSER_OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# For what a busy machine does; what has a time of its own says so.
PATIENCE_MS = 15_000
BACKTEST_MS = 180_000
LIVE_MS = 2_000
FIRST_PAINT_MS = 1_000
START = datetime(2025, 2, 10, tzinfo=UTC)
END = START + timedelta(days=4)
# Nobody knows of the first; of the second it is known that nobody traded.
GAP = TimeRange(START + timedelta(hours=30), START + timedelta(hours=30, minutes=12))
SILENT = TimeRange(START + timedelta(hours=50), START + timedelta(hours=50, minutes=3))
# The clock hardly moves: the market has just closed the last minute.
NOW = END + timedelta(seconds=20)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 375, "height": 800}
INSERT = """
    INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
    VALUES (%s, 'BTC', %s, 100, 112, 99, %s, 5, 3, 1, 'ws', 'provisional')"""


@pytest.fixture(scope="module")
def browser():
    """Chromium; in CI it has to be there."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        skip_or_fail("there is no Chromium: apt-get install --no-install-recommends chromium, or name one in CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(BROWSER_OPTIONS))
        yield started
        started.close()


class Dashboard:
    """A window on the dashboard, and what went wrong in it."""

    def __init__(self, browser, url, **options):
        self.url = url
        self.page = browser.new_context(viewport=DESKTOP, **options).new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.troubles = []
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.troubles.append(said.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def open(self, **state):
        """Open the page in a state, as a link would; return its chart."""
        query = "&".join(f"{name}={value}" for name, value in state.items())
        self.page.goto(f"{self.url}/dashboard?{query}")
        return self.page.locator("#chart")

    def tab(self, name):
        """Go to another view."""
        self.page.get_by_role("navigation").get_by_role("link", name=name).click()

    def is_accessible(self):
        """No serious finding of axe-core in what is shown now."""
        found = Axe().run(self.page).response["violations"]
        serious = [
            (each["id"], [node["target"] for node in each["nodes"]][:5])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []

    def fits(self):
        """Nothing is wider than the screen."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= self.page.viewport_size["width"]


@pytest.fixture
def config(tmp_path):
    """The repository's configuration, with paper accounts that follow all decisions."""
    text = (project_root() / "config.yaml").read_text(encoding="utf-8")
    assert "paper: {}" in text
    path = tmp_path / "config.yaml"
    path.write_text(text.replace("paper: {}", f"paper: {{start: {START:%Y-%m-%d}}}"), encoding="utf-8")
    return path


@pytest.fixture
def market(database_url, settings_for, config):
    """Four days of minutes with a gap, what is derived of them, paper accounts, and a finished backtest."""
    settings = settings_for(database_url, BTC_CONFIG=str(config))
    plan = plan_of(settings.config)
    minutes = made_minutes(TimeRange(START, END), random.Random(3), n_gaps=0)
    absent = pl.any_horizontal(pl.col("time").is_between(each.start, each.end, closed="left") for each in (GAP, SILENT))
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes.filter(~absent), source="ws")
        note_no_trade(frames, "BTC", [SILENT])
        one_pass(frames, plan, "BTC", [TimeRange(START, END)], now=END + MINUTE)
        request = BacktestRequest(
            symbol="BTC",
            interval=parse_interval("1h"),
            strategy=load_strategy("ma", {"period": 10}),
            range_=TimeRange(START, END),
            config=BacktestConfig(),
        )
        run_backtest(frames, request, rule=RULE, run_id="test")
    store_accounts(settings, start=START, end=END)
    return database_url


@pytest.fixture
def group(tmp_path, monkeypatch):
    """The processes of a test."""
    with processes(tmp_path, DAGSTER_HOME=str(tmp_path), PYTHONPATH=str(ROOT)) as started:
        yield started


def start_api(group, database_url, **env):
    """Start the API; return its address when it answers."""
    port = free_port()
    group.env |= {"DATABASE_URL": database_url, "API_PORT": str(port), **env}
    group.start("api", "api")
    url = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return httpx.get(url).status_code == 200
        except httpx.ConnectError:
            return False

    group.wait_for("the API", answers, seconds=60)
    return url


def start_dagster(group, home, *, web):
    """Start code location, web server and daemon; they need some seconds, and nobody waits for them here."""
    text = (project_root() / "dagster.yaml").read_text()
    assert "poll_interval_seconds: 30" in text
    (home / "dagster.yaml").write_text(text.replace("poll_interval_seconds: 30", "poll_interval_seconds: 1"))
    location, workspace = free_port(), home / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {location}, location_name: btc}}\n")
    options = ("-h", "127.0.0.1", "-p", str(location), "--location-name", "btc")
    group.start("location", "dagster", "api", "grpc", "-m", "btc_assets.definitions", *options)
    group.wait_for("the code location", lambda: "Started Dagster code server" in group.log("location"), seconds=60)
    group.start("web", "resources.webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(web))
    group.start("daemon", "dagster._daemon", "run", "-w", str(workspace))


def insert(database_url, time, interval, close):
    """Commit a candle."""
    connection = psycopg2.connect(database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(INSERT, (time, interval, close))
    finally:
        connection.close()


def test_market_backtests_and_quality(market, group, tmp_path, browser, monkeypatch):
    """Everything that a person comes for, by mouse and by keyboard; not one error in the console."""
    web = free_port()
    group.env["BTC_CONFIG"] = str(tmp_path / "config.yaml")
    url = start_api(
        group, market, BTC_CLOCK=scaled_clock(NOW.timestamp(), 0.001), DAGSTER_URL=f"http://127.0.0.1:{web}"
    )
    monkeypatch.setenv("DATABASE_URL", market)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The tables of Dagster are made once, before three processes want to make them.
        with dg.DagsterInstance.from_config(str(project_root())):
            pass
    start_dagster(group, tmp_path, web=web)
    seen = Dashboard(browser, url)
    draws_the_stored_candles(seen, url)
    switches_the_interval(seen)
    loads_older_candles(seen)
    explains_a_decision(seen)
    shows_a_new_candle(seen, market)
    follows_an_account(seen, market)
    shows_every_day(seen)
    group.wait_for("Dagster", lambda: httpx.get(f"{url}/api/v1/strategies").status_code == 200, seconds=60)
    watches_a_backtest(seen)
    compares_two(seen)
    paints_at_once(seen)
    for theme in ("light", "dark"):
        suits_a_phone(browser, url, theme)
    assert seen.troubles == []


def draws_the_stored_candles(seen, url):
    """The chart has every candle that the API has, with its indicators; the price is the newest minute's."""
    chart = seen.open(interval="37m")
    expect(chart).to_have_attribute("data-state", "ready")
    stored = httpx.get(f"{url}/api/v1/candles", params={"symbol": "BTC", "interval": "37m", "limit": 5000}).json()[
        "items"
    ]
    expect(chart).to_have_attribute("data-candles", str(len(stored)))
    expect(chart).to_have_attribute("data-close", str(stored[-1]["close"]).removesuffix(".0"))
    newest = httpx.get(f"{url}/api/v1/candles/latest", params={"symbol": "BTC", "interval": "1m"}).json()["close"]
    expect(seen.page.locator("#quote-price")).to_have_text(f"{newest:.2f}")
    expect(seen.page.locator("#legend")).to_contain_text("ma44")
    expect(seen.page.locator("#link")).to_have_attribute("data-state", "live")
    expect(seen.page.locator("#health [data-status]").first).to_be_visible()
    seen.is_accessible()
    # Something is drawn: a picture of one colour is none.
    n_colours = seen.page.evaluate(
        "[...document.querySelectorAll('#chart canvas')].reduce((most, canvas) => { const { data } ="
        " canvas.getContext('2d').getImageData(0, 0, canvas.width || 1, canvas.height || 1);"
        " return Math.max(most, new Set(new Uint32Array(data.buffer)).size); }, 0)"
    )
    assert n_colours > 10


def switches_the_interval(seen):
    """Another interval is a click; the address keeps it, and a reload shows it again."""
    page, chart = seen.page, seen.page.locator("#chart")
    page.get_by_role("button", name="1h", exact=True).click()
    expect(chart).to_have_attribute("data-interval", "1h")
    expect(chart).to_have_attribute("data-candles", "96")
    assert "interval=1h" in page.url
    page.reload()
    expect(chart).to_have_attribute("data-candles", "96")
    expect(page.get_by_role("button", name="1h", exact=True)).to_have_attribute("aria-pressed", "true")


# Decisions come a second after the candles.
SLOW_DECISIONS = """() => {
  const fetch = window.fetch;
  window.fetch = async (...asked) => {
    if (/decisions|indicators/.test(asked[0].url ?? asked[0])) await new Promise((go) => setTimeout(go, 1000));
    return fetch(...asked);
  };
}"""


def loads_older_candles(seen):
    """Of minutes the newest come first; towards the left edge the others come, without a click."""
    chart = seen.open(interval="1m")
    expect(chart).to_have_attribute("data-candles", "1500")
    chart.focus()
    # Who is at the edge again before all of it is there is not forgotten.
    seen.page.evaluate(SLOW_DECISIONS)
    chart.press("Home")
    expect(chart).to_have_attribute("data-candles", "4500")
    chart.press("Home")
    expect(chart).to_have_attribute("data-first", f"{START:%Y-%m-%dT%H:%M:%SZ}")
    expect(chart).to_have_attribute("data-candles", str(4 * 1440 - GAP.n_minutes - SILENT.n_minutes))
    returns_to_the_end(seen)


def returns_to_the_end(seen):
    """Away from the newest candle a button leads back, and so does a key; at the newest one there is no button."""
    newest = seen.page.locator("#newest")
    expect(newest).to_be_visible()
    seen.page.locator("#chart").press("End")
    expect(newest).to_be_hidden()


def explains_a_decision(seen):
    """The arrow keys walk from decision to decision; beside the chart is what each rests on."""
    chart = seen.open(interval="37m")
    expect(seen.page.locator("#decisions li").first).to_be_visible()
    chart.focus()
    chart.press("ArrowLeft")
    told = seen.page.locator("#decision")
    expect(told).to_contain_text("What it saw")
    expect(told).to_contain_text("ma44")
    first = told.inner_text()
    chart.press("ArrowLeft")
    expect(told).not_to_have_text(first)
    assert int(chart.get_attribute("data-markers")) > 0


def shows_a_new_candle(seen, database_url):
    """A row that is committed is on the chart two seconds later, without a reload."""
    chart = seen.page.locator("#chart")
    n = int(chart.get_attribute("data-candles"))
    opens = datetime.fromisoformat(chart.get_attribute("data-last")) + timedelta(minutes=37)
    insert(database_url, opens, "37m", 111.5)
    insert(database_url, END, "1m", 110.25)
    expect(chart).to_have_attribute("data-close", "111.5", timeout=LIVE_MS)
    expect(chart).to_have_attribute("data-candles", str(n + 1))
    expect(seen.page.locator("#quote-price")).to_have_text("110.25")
    expect(seen.page.locator("#newest")).to_be_hidden()
    chart.focus()
    chart.press("PageUp")
    returns_to_the_end(seen)


def follows_an_account(seen, database_url):
    """What an account holds and is worth, its curve and its trades; a newer price is on it without a reload."""
    page = seen.page
    seen.tab("Paper")
    entries = page.locator("#accounts li")
    expect(entries).to_have_count(2)
    expect(page.locator("#account h1")).to_have_text("ma125 · 37m")
    entries.get_by_role("button", name="ma44 · 37m").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#account h1")).to_have_text("ma44 · 37m")
    expect(entries.get_by_role("button", name="ma44 · 37m")).to_be_focused()
    told = httpx.get(f"{seen.url}/api/v1/paper/ma44", params={"interval": "37m"}).json()
    assert told["n_trades"] > 0
    account = page.locator("#account")
    expect(account.locator(".figures.lead dd").first).to_have_text(f"{told['present_equity']:,.2f}")
    expect(account.locator(".trades tbody tr")).to_have_count(told["n_trades"])
    assert int(account.locator(".curve[data-points]").get_attribute("data-points")) > 50
    seen.is_accessible()
    assert "account=ma44%7C37m" in page.url
    page.reload()
    expect(account.locator(".figures").first).to_be_visible()
    insert(database_url, END + MINUTE, "1m", 111)
    newer = httpx.get(f"{seen.url}/api/v1/paper/ma44", params={"interval": "37m"}).json()
    assert newer["present_price"] == 111
    expect(account.locator(".figures.lead dd").first).to_have_text(f"{newer['present_equity']:,.2f}")
    account.get_by_role("link", name="Its decisions").click()
    expect(page.locator("#chart")).to_have_attribute("data-interval", "37m")
    assert "strategy=ma44" in page.url


def shows_every_day(seen):
    """The day with the gap is another square; a click, and its minutes are told."""
    page = seen.page
    seen.tab("Quality")
    squares = page.locator("#calendar .weeks .square")
    expect(squares).to_have_count(5)
    kinds = [(each.get_attribute("data-day"), each.get_attribute("class")) for each in squares.all()]
    assert kinds == [
        ("2025-02-10", "square whole"),
        ("2025-02-11", "square few"),
        ("2025-02-12", "square silent"),
        ("2025-02-13", "square whole"),
        ("2025-02-14", "square open"),
    ]
    page.get_by_role("button", name="2025-02-11: 12 minutes missing").click()
    expect(page.locator("#day-detail")).to_contain_text("06:00 – 06:12Z")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#day-detail")).to_contain_text("02:00 – 02:03Z")
    assert "day=2025-02-12" in page.url
    expect(page.locator("#findings tbody tr").first).to_be_visible()
    seen.is_accessible()


def watches_a_backtest(seen):
    """A form, a press of its button, a bar; then figures, a curve and trades."""
    page = seen.page
    seen.tab("Backtests")
    expect(page.locator("#backtest")).to_have_attribute("data-status", "finished")
    form = page.locator("#backtest-form")
    form.get_by_label("Strategy").select_option("ma")
    form.get_by_label("Interval").select_option("37m")
    form.get_by_label("From").fill("2025-02-10")
    form.get_by_label("To, exclusive").fill("2025-02-14")
    form.get_by_label("period").fill("0")
    form.get_by_role("button", name="Start").click()
    expect(form.get_by_role("alert")).to_contain_text("period=0 is out of range")
    seen.troubles.clear()  # the browser's own word on an answer of 422
    form.get_by_label("period").fill("20")
    form.get_by_role("button", name="Start").click()
    expect(page.locator("#backtest .under-way progress")).to_be_visible()
    expect(page.locator("#backtest .figures").first).to_be_visible(timeout=BACKTEST_MS)
    expect(page.locator("#backtest h1")).to_contain_text("period 20) · 37m")
    expect(page.locator("#backtest .trades tbody tr").first).to_be_visible()
    shown = httpx.get(f"{seen.url}/api/v1/backtests", params={"interval": "37m"}).json()["items"][0]["results"]
    expect(page.locator("#backtest .trades tbody tr")).to_have_count(min(shown["n_trades"], 200))
    expect(page.locator("#backtest .figures").last).to_contain_text(f"{shown['n_trades']}")
    assert int(page.locator("#backtest .curve").get_attribute("data-points")) > 50
    expect(page.locator("#backtest").get_by_role("link", name="Report")).to_be_visible()
    seen.is_accessible()


def compares_two(seen):
    """The other backtest stands beside it, in the address too."""
    page = seen.page
    page.locator("#backtest-list .compare").first.click()
    expect(page.locator("#backtest h1")).to_have_count(2)
    assert len(page.locator("#backtest .curve[data-points]").get_attribute("data-points").split()) == 2
    expect(page.locator("#backtest .two")).to_be_visible()
    page.reload()
    expect(page.locator("#backtest h1")).to_have_count(2)


def paints_at_once(seen):
    """The first paint comes within a second of the request."""
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    times = []
    for _ in range(3):
        expect(seen.open(interval="37m")).to_have_attribute("data-state", "ready")
        times.append(seen.page.evaluate(paint))
    assert min(times) < FIRST_PAINT_MS


def suits_a_phone(browser, url, theme):
    """At 375 px no view is wider than the screen, in neither theme, and all can be read."""
    seen = Dashboard(browser, url, color_scheme=theme)
    seen.page.set_viewport_size(PHONE)
    expect(seen.open(interval="37m")).to_have_attribute("data-state", "ready")
    dark = seen.page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") == "rgb(15, 20, 27)"
    assert dark == (theme == "dark")
    seen.fits()
    seen.is_accessible()
    seen.tab("Quality")
    expect(seen.page.locator("#calendar .square").first).to_be_visible()
    seen.fits()
    seen.tab("Paper")
    seen.page.locator("#accounts").get_by_role("button", name="ma44 · 37m").click()
    expect(seen.page.locator("#account .trades tbody tr").first).to_be_visible()
    seen.fits()
    seen.is_accessible()
    seen.tab("Backtests")
    expect(seen.page.locator("#backtest .figures").first).to_be_visible()
    seen.fits()
    seen.is_accessible()
    # The button has the last word over the system's.
    for _ in range(2 if theme == "dark" else 1):
        seen.page.locator("#theme").click()
    assert seen.page.evaluate("document.documentElement.dataset.theme") == ("light" if theme == "dark" else "dark")
    assert seen.troubles == []


def test_what_there_is_nothing_to_show_of(database_url, group, browser):
    """An empty database: each view says what to do. The API gone: the page says so, and is well again by itself."""
    url = start_api(group, database_url, DAGSTER_URL="http://127.0.0.1:1")
    seen = Dashboard(browser, url)
    expect(seen.open(interval="1m")).to_have_attribute("data-state", "empty")
    expect(seen.page.locator("#chart-message")).to_contain_text("python -m collector")
    seen.is_accessible()
    seen.tab("Paper")
    expect(seen.page.locator("#accounts")).to_contain_text("first live decision")
    seen.is_accessible()
    seen.tab("Quality")
    expect(seen.page.locator("#calendar")).to_contain_text("btc import")
    seen.tab("Backtests")
    expect(seen.page.locator("#backtest-list")).to_contain_text("No backtest yet")
    expect(seen.page.locator("#backtest-form")).to_contain_text("Dagster, which computes backtests, does not answer")
    expect(seen.page.locator("#backtest-form").get_by_label("Token")).to_have_count(0)
    seen.is_accessible()
    group.stop("api")
    expect(seen.page.locator("#link")).to_have_attribute("data-state", "polling")
    group.start("api", "api")
    expect(seen.page.locator("#link")).to_have_attribute("data-state", "live")


def test_a_server_that_wants_a_token(database_url, group, browser):
    """A write asks for it; without it, or with a wrong one, the form says so; it is kept until the window is closed."""
    word = "wörd € 7"
    url = start_api(group, database_url, API_TOKEN=word, DAGSTER_URL="http://127.0.0.1:1")
    seen = Dashboard(browser, url)
    seen.open(tab="backtests")
    form = seen.page.locator("#backtest-form")
    field, alert = form.get_by_label("Token of the server"), form.get_by_role("alert")
    for given in ("", "wrong"):
        field.fill(given)
        form.get_by_role("button", name="Start").click()
        expect(alert).to_contain_text("The token is missing or wrong")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        seen.is_accessible()
    field.fill(word)
    form.get_by_role("button", name="Start").click()
    # It is let in: what is wrong now is behind the door.
    expect(alert).to_contain_text("Dagster")
    assert field.get_attribute("aria-invalid") is None
    assert word not in seen.page.url
    seen.page.reload()
    expect(field).to_have_value(word)
    fresh = Dashboard(browser, url)
    fresh.open(tab="backtests")
    expect(fresh.page.locator("#backtest-form").get_by_label("Token of the server")).to_have_value("")


@pytest.fixture
def own_server(tmp_path_factory):
    """A server of this test's own, for it to stop."""
    # Where we are root the server is somebody else, who has to get there.
    folder = FALLBACK_FOLDER / tmp_path_factory.mktemp("btc-looked-at").name
    folder.mkdir()
    folder.chmod(0o755)
    with EmbeddedPostgres(folder / "pg", is_disposable=True, port=free_port()) as server:
        upgrade(server.url)
        yield server
    shutil.rmtree(folder)


def test_a_database_that_goes_while_one_looks(own_server, group, browser):
    """A banner over what is shown still; when it is back, all goes on by itself, and nothing was missed."""
    insert(own_server.url, START, "1m", 101)
    url = start_api(group, own_server.url, DAGSTER_URL="http://127.0.0.1:1")
    seen = Dashboard(browser, url)
    page, chart = seen.page, seen.open(interval="1m")
    expect(chart).to_have_attribute("data-state", "ready")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(page.locator("#trouble")).to_be_hidden()
    own_server.stop()
    expect(page.locator("#trouble")).to_contain_text("The database is away")
    expect(page.locator("#link")).to_have_attribute("data-state", "away")
    expect(page.locator("#health")).to_contain_text("database down")
    expect(chart).to_have_attribute("data-candles", "1")
    seen.is_accessible()
    seen.tab("Quality")
    expect(page.locator("#calendar")).to_contain_text("The database is away")
    own_server.start()
    expect(page.locator("#trouble")).to_be_hidden()
    expect(page.locator("#calendar .square").first).to_be_visible()
    seen.tab("Market")
    expect(chart).to_have_attribute("data-candles", "1")
    insert(own_server.url, START + MINUTE, "1m", 102)
    expect(chart).to_have_attribute("data-close", "102")


def test_a_database_that_is_away(group, browser):
    """The page stands, and says in one sentence what is wrong."""
    url = start_api(group, f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    seen = Dashboard(browser, url)
    expect(seen.open(interval="37m")).to_have_attribute("data-state", "error")
    expect(seen.page.locator("#chart-message")).to_contain_text("The database is away")
    expect(seen.page.locator("#health")).to_contain_text("database down")
    expect(seen.page.locator("#trouble")).to_contain_text("The database is away")
    seen.tab("Paper")
    expect(seen.page.locator("#accounts")).to_contain_text("The database is away")
    seen.tab("Quality")
    expect(seen.page.locator("#calendar")).to_contain_text("The database is away")
