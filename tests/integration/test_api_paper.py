"""Paper accounts over HTTP: what the tables say of them, at the newest price, beside buying and holding."""

import json
from itertools import pairwise

import pytest

from tests.api_market import END, START, clock, pages, reading, store_accounts, store_market

MINUTE = """
    INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
    VALUES ($1, 'BTC', '1m', $2, $2, $2, $2, 1, 1, 1, 'ws', 'provisional')"""

COPY = """
    INSERT INTO paper_accounts
    SELECT (changed).* FROM (
      SELECT jsonb_populate_record(paper_accounts, $1) AS changed FROM paper_accounts
      WHERE (strategy, interval) = ('ma44', '37m')) AS copied"""
REFUSED = (
    ("/paper", {"strategy": "ma4"}, 422, "Did you mean ma44"),
    ("/paper", {"symbol": "BTX"}, 422, "Did you mean BTC"),
    ("/paper", {"interval": "37x"}, 422, "37x"),
    ("/paper/ma4", {}, 404, "Did you mean ma44"),
    ("/paper/ma4/equity", {}, 404, "Did you mean ma44"),
    ("/paper/ma44/trades", {"interval": "1h"}, 404, "It has one on 37m."),
    ("/paper/ma44/trades", {"cursor": "x"}, 422, "cursor"),
    ("/paper/ma44/equity", {"cursor": "x"}, 422, "cursor"),
    ("/paper/ma44/trades", {"order": "up"}, 422, "order"),
    ("/paper/ma44%00", {}, 422, "strategy"),
)


@pytest.fixture
async def http(settings_for, database_url):
    """A client of the API over a market of three days that paper accounts have followed."""
    settings = settings_for(database_url, BTC_CLOCK=clock())
    minutes = store_market(settings)
    store_accounts(settings, capital=1000.0)
    async with reading(settings) as client:
        client.headers["accept-encoding"] = "identity"
        client.base_url = client.base_url.join("/api/v1")
        client.minutes = minutes
        yield client


async def copy_account(connection, **changes):
    """Store another account like the one that is there."""
    await connection.execute(COPY, json.dumps(changes))


async def test_an_account_is_told_at_the_newest_price(http, connection):
    """It follows the price before its strategy's next decision: by its position, as cash + quantity x price."""
    (before,) = (await http.get("/paper", params={"strategy": "ma44", "interval": "37m"})).json()["items"]
    assert before["present_equity"] == pytest.approx(before["equity"])
    assert before["quantity"] != 0, "the made-up market ends in a position; without one this test would say nothing"
    newer = before["price"] * 1.01
    await connection.execute(MINUTE, END, newer)
    (after,) = (await http.get("/paper", params={"strategy": "ma44", "interval": "37m"})).json()["items"]
    assert (after["equity"], after["present_price"]) == (before["equity"], newer)
    assert after["present_equity"] == pytest.approx(after["cash"] + after["quantity"] * newer)
    assert after["total_return"] == pytest.approx(after["present_equity"] / 1000 - 1)
    assert after["unrealized_pnl"] == pytest.approx(after["quantity"] * (newer - after["entry_price"]))
    assert after["buy_and_hold_return"] == pytest.approx(newer / http.minutes["open"][0] - 1)
    assert after["started_at"] == f"{START:%Y-%m-%dT%H:%M:%SZ}"


async def test_accounts_come_by_strategy_and_length_of_the_interval(http, connection):
    """Where nothing is asked for, all of them; each filter narrows."""
    for strategy, interval in (("ma44", "1d"), ("ma44", "148m"), ("ma125", "37m")):
        await copy_account(connection, strategy=strategy, interval=interval)
    found = [(each["strategy"], each["interval"]) for each in (await http.get("/paper")).json()["items"]]
    assert found == [("ma125", "37m"), ("ma44", "37m"), ("ma44", "148m"), ("ma44", "1d")]
    narrow = (await http.get("/paper", params={"interval": "37m", "symbol": "btc"})).json()["items"]
    assert [each["strategy"] for each in narrow] == ["ma125", "ma44"]
    assert (await http.get("/paper/ma44")).json()["interval"] == "37m"


async def test_what_an_account_has_done_is_what_its_trades_say(http, connection):
    """The words and formulas of a backtest."""
    told = (await http.get("/paper/ma44", params={"interval": "37m"})).json()
    trades = await pages(http, "/paper/ma44/trades", interval="37m")
    equity = await pages(http, "/paper/ma44/equity", interval="37m")
    assert len(trades) == told["n_trades"] > 1
    pnl = [each["pnl"] for each in trades]
    results = told["results"]
    assert results["win_rate"] == pytest.approx(sum(each > 0 for each in pnl) / len(pnl))
    assert results["expectancy"] == pytest.approx(sum(pnl) / len(pnl))
    gained, lost = sum(each for each in pnl if each > 0), -sum(each for each in pnl if each < 0)
    assert results["profit_factor"] == pytest.approx(gained / lost)
    assert results["max_drawdown"] == max(each["drawdown"] for each in equity) > 0
    assert 0 < results["exposure_time"] <= 1
    (stored,) = await connection.fetch(
        "SELECT count(*) FROM paper_equity WHERE (strategy, symbol, interval) = ('ma44', 'BTC', '37m')"
    )
    assert len(equity) == stored[0]


async def test_an_account_without_a_trade_has_done_nothing(http, connection):
    """What cannot be said is null, never NaN or 0."""
    await connection.execute("DELETE FROM paper_trades")
    await connection.execute("DELETE FROM paper_equity")
    await connection.execute(
        "UPDATE paper_accounts SET quantity = 0, entry_price = NULL, entry_time = NULL, price = NULL,"
        " through = started_at, started_at = started_at + interval '9 days'"
    )
    await connection.execute("UPDATE paper_accounts SET through = started_at")
    told = (await http.get("/paper/ma44")).json()
    results = told["results"]
    assert (results.pop("max_drawdown"), set(results.values())) == (0, {None})
    assert (told["unrealized_pnl"], told["buy_and_hold_return"]) == (None, None)


async def test_pages_are_the_whole(http):
    """Whatever their length; the last one has no next. Trades come the newest first, too."""
    for path in ("/paper/ma44/trades", "/paper/ma44/equity"):
        whole = (await http.get(path)).json()
        assert whole["next"] is None
        assert len(whole["items"]) > 2
        assert await pages(http, path, limit=2) == whole["items"]
        times = [each.get("time") or each["entry_time"] for each in whole["items"]]
        assert all(a < b for a, b in pairwise(times))
    forth, back = (
        await pages(http, "/paper/ma44/trades"),
        await pages(http, "/paper/ma44/trades", order="desc", limit=2),
    )
    assert back == forth[::-1]


async def test_a_curve_in_few_points_has_its_ends_and_extremes(http):
    """As an eye sees it."""
    whole = (await http.get("/paper/ma44/equity")).json()["items"]
    seen = (await http.get("/paper/ma44/equity", params={"points": 10})).json()
    assert (len(seen["items"]) <= 10, seen["next"]) == (True, None)
    assert (seen["items"][0], seen["items"][-1]) == (whole[0], whole[-1])
    worth = [each["equity"] for each in whole]
    assert {min(worth), max(worth)} <= {each["equity"] for each in seen["items"]}


async def test_what_does_not_exist_is_refused_with_the_near_misses(http):
    """A name in the address is 404, one that is asked with is 422."""
    for path, asked, status, word in REFUSED:
        answer = await http.get(path, params=asked)
        assert (answer.status_code, word in answer.text) == (status, True), (path, asked, answer.text)


async def test_a_strategy_that_decides_no_more_keeps_its_account(http, connection):
    """The table has it, whatever the configuration says now."""
    await copy_account(connection, strategy="former")
    assert (await http.get("/paper/former")).json()["interval"] == "37m"
    assert (await http.get("/paper", params={"strategy": "former"})).json()["items"] != []


async def test_an_account_that_is_not_opened_yet_says_what_opens_it(http, connection):
    """The strategy is configured, and has said nothing."""
    await connection.execute("DELETE FROM paper_accounts")
    assert (await http.get("/paper")).json() == {"items": [], "next": None}
    assert (await http.get("/paper", params={"strategy": "ma44"})).json()["items"] == []
    answer = await http.get("/paper/ma44/equity")
    assert (answer.status_code, "live decision" in answer.json()["hint"]) == (404, True)


def test_examples_are_of_what_is_described(settings_for):
    """The configured strategies are offered as examples of one."""
    from api.app import build_app

    app = build_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing"))
    (strategy,) = (
        each for each in app.openapi()["paths"]["/api/v1/paper/{strategy}"]["get"]["parameters"] if each["in"] == "path"
    )
    assert strategy["schema"]["examples"] == list(app.state.settings.config.strategies)
