"""Every way in which a connection ends, hangs or is refused; after each, the invariant of ``tests/faulty.py``."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect as connect_socket

from btc_store.ports import free_port
from btc_store.settings import Settings
from demo.faults.script import fault
from demo.link import Link, Sending
from tests.faulty import PATIENCE_SECONDS, Play, figures, play
from tests.stalls import real_time

pytestmark = real_time

ROOT = Path(__file__).resolve().parents[2]
# The collector's own ceiling of new connections in a minute; the exchange refuses the 31st.
CEILING = 20
MOST_LINKS = 10
# More minutes than anything here is away for.
N_HISTORY = 120

Start = Callable[..., AbstractAsyncContextManager[Play]]


@pytest.fixture
def start(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path, caplog) -> Start:
    """A function that starts a play: ``start(faults=[...], rate=120)``; the collector's log is kept."""
    caplog.set_level("INFO", "collector")
    return partial(play, database_url, settings_for, tmp_path, n_history=N_HISTORY)


@pytest.fixture
def impatient(monkeypatch) -> None:
    """What waits for the network waits a third of a second. So long a busy machine may stand still by itself."""
    monkeypatch.setattr("collector.parts.NETWORK_SECONDS", 0.3)


async def ended(caplog: pytest.LogCaptureFixture) -> dict[str, int]:
    """Return how many connections have ended for which reason."""
    found = await figures(caplog)
    named = {name.partition('"')[2].rstrip('"}'): n for name, n in found.items() if "reconnects_total" in name}
    return {reason: int(n) for reason, n in named.items() if n}


async def has_ended(caplog: pytest.LogCaptureFixture, reason: str, *, n: int) -> bool:
    """Return whether so many connections have ended for a reason."""
    return (await ended(caplog)).get(reason, 0) >= n


@asynccontextmanager
async def others(one: Play, n: int) -> AsyncIterator[None]:
    """Hold other connections from the same address."""
    async with AsyncExitStack() as stack:
        for _ in range(n):
            await stack.enter_async_context(connect_socket(one.exchange.ws_url))
        yield


# A connection that ends


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        pytest.param("reset", "closed", id="TCP reset in mid-frame"),
        pytest.param("abort", "closed", id="1006 without a close frame"),
        pytest.param("expire", "expired", id="1000 Expired"),
        pytest.param("restart", "closed", id="restart of all sockets"),
    ],
)
async def test_a_dropped_connection_is_made_anew(start, caplog, kind, reason):
    """However a connection ends, again and again: what was missed comes by history, and the stream goes on."""
    async with start() as one, one.collecting():
        for _ in range(4):
            await one.streams()
            one.exchange.begin(fault(kind))
        await one.streams()
        await one.heals()
        assert await ended(caplog) == {reason: 4}
    assert one.exchange.n_links == 5
    waits = [record.wait_seconds for record in caplog.records if record.message == "connection ended"]
    # The end of a connection's life is no sign of trouble: nobody waits.
    assert (waits == [0, 0, 0, 0]) == (kind == "expire")


async def test_many_drops_provoke_no_limit(start, caplog, monkeypatch):
    """Sockets that are dropped with their first candle, for minutes: the collector keeps to its own ceiling."""
    put = Link.put

    def put_and_abort(link: Link, sending: Sending) -> None:
        put(link, sending)
        if sending.frame is not None:
            link.abort()

    async with start(rate=120) as one, one.collecting():
        with monkeypatch.context() as patch:
            patch.setattr(Link, "put", put_and_abort)
            await one.until(lambda: one.exchange.n_links > 2 * CEILING)
        await one.streams()
        await one.heals()
        assert set(await ended(caplog)) == {"closed"}
    # Twenty by our own clock: on its way to the exchange one more may fall into the same minute.
    assert one.exchange.connects.most <= CEILING + 1


async def test_a_long_restart_ends(start, caplog):
    """All sockets are dropped, and for some minutes there are no new ones: history alone goes on meanwhile."""
    async with start() as one, one.collecting():
        await one.streams()
        one.exchange.begin(fault("restart", for_=240))
        await one.pass_time(timedelta(minutes=5))
        await one.streams()
        await one.heals()
        assert (await ended(caplog))["refused"] >= 2
        assert len(await one.without_stream("BTC")) >= 2


# A connection that is dead or mute, and nobody says so


async def test_pings_keep_a_quiet_connection_open(start, caplog):
    """A market without a trade for 15 minutes: the exchange closes what is idle for 10 of them, and ours is not."""
    faults = [fault("no_trades", at=120, for_=900, flat=False), fault("idle_close", seconds=600)]
    async with start(faults=faults) as one, one.collecting():
        await one.pass_time(timedelta(minutes=18))
        await one.streams()
        await one.heals()
        assert await ended(caplog) == {}
        assert len({row["id"] for row in await one.findings("no_trade", symbol="ETH")}) >= 1
    assert one.exchange.n_links == 1


async def test_an_idle_connection_is_closed_and_made_anew(start, caplog):
    """Whose pings do not come in time is closed when idle: it costs a connection, no minute."""
    faults = [fault("no_trades", at=120, for_=900, flat=False), fault("idle_close", seconds=60, at_least=0.5)]
    async with start(faults=faults, collector={"ping_seconds": 3600}) as one, one.collecting():
        await one.pass_time(timedelta(minutes=18))
        await one.streams()
        await one.heals()
        assert (await ended(caplog))["closed"] >= 1


# That history has trades of which the stream does not tell is not looked at: it would be noticed first.
CONTENT = {"silent_coin_seconds": 86400}
DEAD = [pytest.param("half_open", {}, id="half-open"), pytest.param("stall", {"pongs": False}, id="stall")]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("kind", "parameters"), DEAD)
async def test_a_dead_connection_is_left(start, caplog, kind, parameters):
    """TCP stays up and nothing comes any more, no pong either."""
    async with start(collector=CONTENT) as one, one.collecting():
        await one.streams()
        one.exchange.begin(fault(kind, connection=one.exchange.n_links, **parameters))
        n_links = one.exchange.n_links
        await one.until(lambda: one.exchange.n_links > n_links)
        await one.streams()
        await one.heals()
        assert (await ended(caplog)).keys() <= {"silence", "no_pong"}
        assert await one.without_stream("BTC")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("kind", "parameters"), DEAD)
async def test_one_dead_connection_after_the_other_is_left(start, caplog, kind, parameters):
    """New connections are as dead as the old one, for 20 minutes."""
    async with start(collector=CONTENT) as one, one.collecting():
        await one.streams()
        one.exchange.begin(fault(kind, for_=1200, **parameters))
        await one.pass_time(timedelta(minutes=21))
        await one.streams()
        await one.heals()
        reasons = await ended(caplog)
        assert sum(reasons[reason] for reason in reasons.keys() & {"silence", "no_pong"}) >= 2
        assert len(await one.without_stream("BTC")) >= 15


@pytest.mark.parametrize("coin", [None, "ETH"], ids=["all coins are silent", "one coin is silent"])
async def test_a_stall_with_pongs_is_noticed(start, caplog, coin):
    """Pings are answered and a coin's candles do not come; history shows its trades: the connection is deaf."""
    async with start() as one, one.collecting():
        await one.streams("ETH")
        one.exchange.begin(fault("stall", connection=1, coin=coin))
        await one.until(lambda: one.exchange.n_links == 2)
        await one.streams("ETH")
        await one.heals()
        assert await ended(caplog) == {"silent_coin": 1}
        assert await one.without_stream("ETH")
    (dropped,) = [record.detail for record in caplog.records if record.message == "connection dropped"]
    assert dropped in (("BTC", "ETH") if coin is None else ("ETH",))


@pytest.mark.usefixtures("impatient")
async def test_a_late_pong_costs_the_connection(start, caplog):
    """A ping is answered after the deadline: to wait for it is to miss frames."""
    async with start() as one, one.collecting():
        await one.streams()
        one.exchange.begin(fault("late_pong", for_=1200, seconds=600))
        await one.until(lambda: has_ended(caplog, "no_pong", n=2))
        await one.pass_time(timedelta(minutes=5))
        await one.streams()
        await one.heals()


async def test_a_pong_within_its_deadline_costs_nothing(start, caplog):
    """A pong that is late, and not too late: the deadline is half an hour where an hour lasts six seconds."""
    async with start(faults=[fault("late_pong", seconds=600)]) as one, one.collecting():
        await one.pass_time(timedelta(minutes=16))
        await one.heals()
        assert await ended(caplog) == {}
    assert one.exchange.n_links == 1


# A connection that is not made


@pytest.mark.parametrize(("status", "reason"), [(403, "refused"), (429, "limited"), (502, "refused")])
async def test_a_refused_handshake_is_tried_again(start, caplog, status, reason):
    """From the start on nobody is let in; the minutes come by history, and the stream when the door opens."""
    refusal = fault("refused_handshake", status=status)
    async with start(faults=[refusal]) as one, one.collecting():
        await one.reached(one.start + timedelta(minutes=2))
        assert await has_ended(caplog, reason, n=2)
        one.exchange.end(refusal)
        await one.streams()
        await one.heals()
        assert (await ended(caplog)).keys() == {reason}
        assert len(await one.without_stream("BTC")) >= 3
    assert {record.detail for record in caplog.records if record.message == "connection ended"} == {f"HTTP {status}"}


@pytest.mark.usefixtures("impatient")
async def test_a_hanging_connect_is_given_up(start, caplog):
    """TCP is accepted and the handshake is never answered."""
    hanging = fault("hanging_connect")
    async with start() as one, one.collecting():
        await one.streams()
        one.exchange.begin(hanging)
        one.exchange.begin(fault("abort"))
        await one.until(lambda: has_ended(caplog, "timeout", n=2))
        one.exchange.end(hanging)
        await one.streams()
        await one.heals()
        assert len(await one.without_stream("BTC")) >= 3


async def test_an_eleventh_connection_is_refused(start, caplog):
    """Others at our address have all connections that it may have: ours comes when one of them goes."""
    async with start() as one, others(one, MOST_LINKS), one.collecting():
        await one.reached(one.start + timedelta(minutes=2))
        assert (await ended(caplog)).keys() == {"limited"}
        assert one.exchange.n_links == MOST_LINKS
        one.exchange.links[0].abort()
        await one.streams()
        await one.heals()
        assert await one.without_stream("BTC")
    assert one.exchange.n_links == MOST_LINKS + 1


async def test_too_many_new_connections_are_refused_until_a_minute_has_passed(start, caplog):
    """Others at our address used up the rate of new connections: the backoff leads out of it."""
    # Where a minute lasts a tenth of a second the rate is held over 21 of them.
    n_minutes = 21
    async with start(faults=[fault("connection_rate", most=1)]) as one:
        for _ in range(n_minutes):
            async with others(one, 1):
                pass
        async with one.collecting():
            await one.streams()
            await one.heals()
            reasons = await ended(caplog)
            assert reasons.keys() == {"limited"}
            assert reasons["limited"] < CEILING
            assert len(await one.without_stream("BTC")) >= 5
    assert one.exchange.n_links == n_minutes + 1


# One connection takes over from another


ROTATING = {"rotate_seconds": 120, "rotate_jitter_seconds": 10}


async def test_connections_take_turns_without_a_gap(start, caplog):
    """The next connection is whole before the last one goes: no minute has to come by history alone."""
    async with start(rate=120, collector=ROTATING) as one, one.collecting():
        await one.streams()
        first = one.now()
        for n_links in (2, 3, 4):
            await one.until(lambda n=n_links: one.exchange.n_links >= n)
            assert len(one.exchange.links) == 2
        await one.until(lambda: len(one.exchange.links) == 1)
        await one.heals()
        assert await ended(caplog) == {"rotated": 3}
        assert await one.without_stream("BTC", since=first) == []
        assert await one.without_stream("ETH", since=first) == []


async def test_a_connection_stays_until_another_has_taken_over(start, caplog):
    """No new connection is to be had when it is time for one: the old one goes on."""
    async with start(rate=300, collector=ROTATING) as one, one.collecting():
        await one.streams()
        first = one.now()
        one.exchange.begin(fault("refused_handshake", for_=240))
        await one.pass_time(timedelta(minutes=4))
        assert [link.number for link in one.exchange.links] == [1]
        await one.until(lambda: one.exchange.n_links == 2)
        await one.until(lambda: [link.number for link in one.exchange.links] == [2])
        await one.heals()
        reasons = await ended(caplog)
        assert reasons.pop("refused") >= 2
        assert reasons == {"rotated": 1}
        assert await one.without_stream("BTC", since=first) == []


async def test_the_old_connection_may_break_while_the_next_is_refused(start, caplog):
    """When it is time for another connection, none is to be had, and the old one is lost too."""
    async with start(rate=300, collector=ROTATING) as one, one.collecting():
        await one.streams()
        refusal = fault("refused_handshake")
        one.exchange.begin(refusal)
        await one.until(lambda: has_ended(caplog, "refused", n=1))
        one.exchange.begin(fault("abort"))
        await one.pass_time(timedelta(minutes=3))
        one.exchange.end(refusal)
        await one.streams()
        await one.heals()
        assert {"refused", "closed"} <= (await ended(caplog)).keys()
        assert await one.without_stream("BTC")


# Two of us


async def test_two_collectors_share_a_database(start, database_url, tmp_path):
    """Each hears other frames, loses its connection at other times and writes the same minutes; the second says so."""
    lossy = [fault("loss", connection=1), fault("loss", connection=2), fault("abort", at=300, connection=1)]
    async with start(faults=lossy) as one, one.collecting(), another(one, database_url, tmp_path) as second:
        await one.pass_time(timedelta(minutes=8))
        one.exchange.begin(fault("restart"))
        await one.streams()
        await one.heals()
        log = await second()
        changed = await one.connection.fetchval("SELECT max(revision) FROM candles WHERE time >= $1", one.start)
    assert "another collector writes to this database" in log
    assert "Traceback" not in log
    # Not once for each word of each of them: what is known already is not written again.
    assert changed <= 3


@asynccontextmanager
async def another(one: Play, database_url: str, folder: Path) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Run a second collector as a process of its own; it gives a function that ends it and returns its log.

    It is connected when the ``with`` block begins.
    """
    clock = one.settings.clock
    port = free_port()
    env = {
        **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")},
        "DATABASE_URL": database_url,
        "BTC_CONFIG": str(folder / "config.yaml"),
        "BTC_CLOCK": f"{clock.sim},{clock.real},{clock.rate}",
        "HYPERLIQUID_WS_URL": one.exchange.ws_url,
        "HYPERLIQUID_API_URL": one.exchange.api_url,
        "COLLECTOR_HTTP_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "collector", cwd=ROOT, env=env, stderr=asyncio.subprocess.PIPE
    )

    async def finish() -> str:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, log = await process.communicate()
        return log.decode()

    try:
        await one.until(lambda: is_connected(port))
        yield finish
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def is_connected(port: int) -> bool:
    """Whether a collector's page says that it has a connection to the exchange."""
    async with httpx.AsyncClient() as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/healthz")
        except httpx.TransportError:
            return False
    return answer.json()["n_connections"] > 0
