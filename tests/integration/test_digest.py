"""The daily digest: figures from real tables, in words."""

from datetime import UTC, datetime, timedelta

from btc_core.digest import Account, Decided, Disk, Figures, Minutes, Wrong, digest_of
from btc_core.model.candle import Candle, State
from btc_store.candles import upsert_candles
from btc_store.digest import read_figures

NOW = datetime(2025, 2, 14, 8, 0, 30, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def candle(time, symbol="BTC", state=State.CONFIRMED):
    """Return a minute."""
    prices = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5, "volume": 1.0}
    return Candle(time=time, symbol=symbol, trades=3, source="ws", state=state, **prices)


async def test_figures_of_a_day(connection, tmp_path):
    """Due, stored, confirmed, silent; decisions that changed something; incidents; accounts; findings; disks, once."""
    end = NOW.replace(second=0) - MINUTE
    await upsert_candles(connection, [candle(end - n * MINUTE) for n in range(1, 1441) if not 100 <= n < 112])
    await upsert_candles(connection, [candle(end - 1500 * MINUTE), candle(end - 1 * MINUTE, "ETH", State.PROVISIONAL)])
    await upsert_candles(connection, [candle(end - 3000 * MINUTE, "SOL")])
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time) VALUES"
        " ('BTC', '1m', 'no_trade', 'error', $1, $2), ('BTC', '1h', 'outlier', 'warning', $1, $2),"
        " ('BTC', '1h', 'gap', 'info', $1, $2)",
        *(end - 111 * MINUTE, end - 106 * MINUTE),
    )
    await connection.execute(
        "INSERT INTO decisions"
        " VALUES ($1, 'BTC', '3m', 'ma44', 0, 'OPEN_LONG', 1, 1, 100, '{}', '{}', NULL, 0, '', '', $2)",
        *(NOW - 3 * DAY, NOW),
    )
    for n, signals in ((1, ["OPEN_LONG"]), (5, ["CLOSE_LONG", "OPEN_SHORT"]), (9, ["HOLD"]), (2000, ["OPEN_LONG"])):
        for seq, signal in enumerate(signals):
            await connection.execute(
                "INSERT INTO decisions"
                " VALUES ($1, 'BTC', '3m', 'ma44', $2, $3, 1, 1, 100, '{}', '{}', NULL, 0, '', '', $1)",
                *(NOW - n * MINUTE, seq, signal),
            )
    await connection.execute(
        "INSERT INTO incidents"
        " (kind, subject, severity, started_at, noticed_at, seen_at, told_at, ended_at, size, details) VALUES"
        " ('stale', 'BTC', 'error', $1, $1, $1, $1, NULL, 1, '{}'),"
        " ('gap', 'BTC', 'error', $2, $2, $2, $2, $2, 1, '{}'),"
        " ('gap', 'ETH', 'error', $1, $1, $1, NULL, NULL, 1, '{}'),"
        " ('disk', '/', 'error', $1, $1, $1, $1, $1, 1, '{}')",
        *(NOW - timedelta(hours=2), NOW - 2 * DAY),
    )
    figures = await read_figures(connection, ["BTC", "ETH", "SOL", "XRP"], [tmp_path, tmp_path.parent], now=NOW)
    assert figures.minutes == [
        Minutes("BTC", 1440, 1428, 1428, 5),
        Minutes("ETH", 1, 1, 0, 0),
        Minutes("SOL", 1440, 0, 0, 0),
    ]
    assert [each.n_missing for each in figures.minutes] == [7, 0, 1440]
    assert figures.decided == [Decided("ma44", "BTC", "3m", 2, "OPEN_LONG")]
    assert [(each.kind, each.ended_at is None) for each in figures.wrong] == [("disk", False), ("stale", True)]
    assert figures.findings == [("no_trade", 1), ("outlier", 1)]
    assert len(figures.disks) == 1
    assert 0 < figures.disks[0].free < 1


async def test_an_empty_database_has_a_digest(connection, tmp_path):
    """It says that there is nothing."""
    figures = await read_figures(connection, ["BTC"], [tmp_path / "gone"], now=NOW)
    message = digest_of("2025-02-14", figures)
    assert message.body == "Last 24 hours\n- no minutes are stored"


def test_words():
    """What a phone shows first is how it stands."""
    figures = Figures(
        minutes=[Minutes("BTC", 1440, 1428, 1400, 5)],
        decided=[Decided("ma44", "BTC", "37m", 3, "OPEN_LONG")],
        wrong=[
            Wrong("stale", "ETH", "error", NOW - timedelta(hours=1), None),
            Wrong("gap", "BTC", "warning", NOW - timedelta(hours=9), NOW - timedelta(hours=8)),
        ],
        findings=[("gap", 2), ("outlier", 1200)],
        accounts=[Account("ma44", "BTC", "37m", 9876.5, 10000.0, 1.0)],
        disks=[Disk("/data", 50_400_000_000, 6_200_000_000)],
    )
    message = digest_of("2025-02-14", figures)
    title = "BTC 2025-02-14: 1 open incident, 7 minutes missing, 3 changes of exposure"
    assert (message.key, message.title) == ("digest 2025-02-14", title)
    assert message.body == (
        "Last 24 hours\n- BTC: 1,428 of 1,440 minutes, 1,400 confirmed, 7 missing, 5 without trades\n\n"
        "Decisions\n- BTC 37m ma44: 3, last OPEN_LONG\n\n"
        "Incidents\n- stale ETH: since 2025-02-14 07:00:30Z, OPEN, error\n"
        "- gap BTC: since 2025-02-13 23:00:30Z, until 2025-02-14 00:00:30Z\n\n"
        "Open findings\n- 2 gap, 1,200 outlier\n\n"
        "Paper accounts\n- BTC 37m ma44: 9,876.50 (−1.2%)\n\n"
        "Disks\n- /data: 12% free, 6.2 GB"
    )
    many = Figures(accounts=[Account(f"s{n}", "BTC", "37m", 1.0, 1.0, 0.0) for n in range(40)])
    assert "- … and 28 more" in digest_of("2025-02-14", many).body
