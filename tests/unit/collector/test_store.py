"""The collector's side of the database; with a real one it is tested in ``tests/integration/test_store.py``."""

import asyncpg
import pytest

from btc_core.errors import DatabaseError
from btc_store.connection import UNAVAILABLE
from collector.store import ROW_REFUSED, open_store, session_name


async def test_a_database_that_is_away_at_the_start_is_one_sentence(settings_for):
    """Starting without a database is refused: what is stored already could not be known."""
    with pytest.raises(DatabaseError, match=r"127\.0\.0\.1:1 .*start it"):
        async with open_store(settings_for("postgresql://nobody@127.0.0.1:1/none")):
            pass


def test_a_session_that_the_server_ended_is_away():
    """The driver calls the next statement on it an internal error of its own; a row at fault is another matter."""
    assert issubclass(asyncpg.InternalClientError, UNAVAILABLE)
    assert issubclass(asyncpg.AdminShutdownError, UNAVAILABLE)
    assert issubclass(asyncpg.CheckViolationError, ROW_REFUSED)
    assert not issubclass(asyncpg.UndefinedTableError, ROW_REFUSED)


def test_our_sessions_are_told_from_those_of_another_process(monkeypatch):
    """PostgreSQL cuts a name at 63 bytes: the process's number stays, however long the host's name."""
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 64)
    monkeypatch.setattr("os.getpid", lambda: 4194304)
    assert session_name() == f"btc-collector/{'h' * 32}/4194304"
    assert len(session_name()) < 64
