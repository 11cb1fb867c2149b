"""The question that a container's health check asks the database."""

import psycopg2
import pytest

from btc_store.alive import MOST_SECONDS, main

HEARTBEATS = "CREATE TABLE dagster.daemon_heartbeats (daemon_type text, timestamp timestamp)"
BEAT = "INSERT INTO dagster.daemon_heartbeats VALUES ('SENSOR', now() - make_interval(secs => %(age)s))"
LOOK = "UPDATE live_state SET looked_at = clock_timestamp() - make_interval(secs => %(age)s)"

ALERTS = LOOK.replace("live_state", "alert_state")


@pytest.fixture
def execute(database_url, monkeypatch):
    """A function that runs a statement where the environment says the database is."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run(statement, **values):
        connection = psycopg2.connect(database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
        finally:
            connection.close()

    return run


@pytest.mark.parametrize(("name", "sign"), [("daemon", BEAT), ("live", LOOK), ("alerts", ALERTS)])
def test_a_sign_of_life_counts_for_a_while(execute, capsys, name, sign):
    """Not yet one, a fresh one, an old one."""
    if name == "daemon":
        execute(HEARTBEATS)
    assert main([name]) == 1
    assert capsys.readouterr().err == f"{name}: no sign of life yet\n"
    execute(sign, age=1)
    assert main([name]) == 0
    if name == "daemon":
        execute("DELETE FROM dagster.daemon_heartbeats")
    execute(sign, age=MOST_SECONDS[name] + 5)
    assert main([name]) == 1
    assert f"{name}: no sign of life for " in capsys.readouterr().err


def test_before_dagster_has_been_there(execute, capsys):
    """Its tables come with its first start."""
    assert main(["daemon"]) == 1
    assert capsys.readouterr().err.startswith("alive: ")


def test_a_database_that_is_away_is_a_sentence(monkeypatch, capsys):
    """No traceback in the log of a container engine."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert main(["live"]) == 1
    assert capsys.readouterr().err.startswith("alive: no usable database at 127.0.0.1:1")


@pytest.mark.parametrize("words", [[], ["exchange"], ["live", "daemon"]])
def test_bad_usage_says_what_there_is(words, capsys):
    """Three words are known."""
    assert main(words) == 1
    assert "expected daemon or live or alerts, found" in capsys.readouterr().err
