"""From options to what is run."""

import argparse

import pytest

from btc_core.errors import ConfigError, InputError
from btc_core.partitions import months_of
from btc_store.ports import free_port
from btc_store.settings import Settings
from demo import plan
from demo.plan import DEMO_PAST, DEMO_RATE, DEMO_START, open_plan


@pytest.fixture
def told(monkeypatch, settings_for, tmp_path):
    """Stand in for the environment: the repository's configuration, no database named, no scaled clock."""
    monkeypatch.setattr(plan, "load_settings", lambda: settings_for("postgresql://given:word@db/own"))
    monkeypatch.setattr(plan, "names_database", lambda: False)
    monkeypatch.setattr(plan, "project_root", lambda: tmp_path)


def options(**given):
    """Return the options of the command line, with a free port."""
    defaults = {
        "mainnet": False,
        "once": False,
        "database_url": None,
        "seed": 7,
        "dagster_port": free_port(),
        "api_port": free_port(),
    }
    return argparse.Namespace(**{**defaults, **given})


def test_the_demo_has_everything_of_its_own(told):
    """Every address is on this machine, whatever the environment names, and its folder goes with it."""
    with open_plan(options()) as demo:
        folder = demo.services.work
        variables = demo.services.variables
        assert folder.stat().st_mode & 0o755 == 0o755
        assert "own" not in variables["DATABASE_URL"]
        assert variables["HYPERLIQUID_WS_URL"] == f"ws://127.0.0.1:{demo.exchange_port}/ws"
        assert variables["HYPERLIQUID_API_URL"] == f"http://127.0.0.1:{demo.exchange_port}/info"
        assert f":{demo.database_port}/" in demo.settings.database_url
        assert variables["BTC_LAKE"] == demo.settings.lake == str(folder / "lake")
        assert (variables["ALERT_URLS"], variables["ALERT_URLS_FILE"]) == ("", "")
        assert demo.coins == {"BTC": "BTC"}
    assert not folder.exists()


def test_the_processes_have_the_clock_of_the_plan(told):
    """BTC_CLOCK says exactly what the story calculates with."""
    from btc_core.model.clock import parse_clock

    with open_plan(options()) as demo:
        assert parse_clock(demo.services.variables["BTC_CLOCK"]) == demo.settings.clock
        assert (demo.settings.clock.sim, demo.settings.clock.rate) == (DEMO_START.timestamp(), DEMO_RATE)


def test_the_past_leaves_to_the_collector_what_the_exchange_still_has():
    """Between the import's end and the collector's start lie fewer minutes than the exchange keeps."""
    assert DEMO_PAST.end < DEMO_START < DEMO_PAST.end + plan.HISTORY
    assert len(months_of(DEMO_PAST)) > 3


def test_a_given_database_is_taken(told):
    """No PostgreSQL is started beside it."""
    with open_plan(options(database_url="postgresql://me:word@db/empty")) as demo:
        assert demo.database_port is None
        assert demo.services.variables["DATABASE_URL"] == "postgresql://me:word@db/empty"


def test_mainnet_keeps_its_data(told, tmp_path):
    """In .data, with a database of its own, the real addresses and no backtest."""
    with open_plan(options(mainnet=True)) as real:
        assert real.services.work == tmp_path / ".data"
        assert set(real.services.variables) == {"DATABASE_URL"}
        assert real.settings.ws_url.startswith("wss://api.hyperliquid.xyz")
        assert (real.exchange_port, real.has_backtest) == (None, False)
    assert (tmp_path / ".data").exists()


def test_mainnet_takes_the_database_that_the_environment_names(told, monkeypatch):
    """Then the processes read the variables themselves: no password is handed on."""
    monkeypatch.setattr(plan, "names_database", lambda: True)
    with open_plan(options(mainnet=True)) as real:
        assert real.database_port is None
        assert real.services.variables == {}
        assert real.settings.database_url == "postgresql://given:word@db/own"


def test_mainnet_and_a_scaled_clock_are_refused(told, monkeypatch, settings_for):
    """A clock for recordings must not reach the real exchange."""
    monkeypatch.setattr(plan, "load_settings", lambda: settings_for("postgresql://x:word@y/z", BTC_CLOCK="1,2,3"))
    with pytest.raises(ConfigError, match="BTC_CLOCK"), open_plan(options(mainnet=True)):
        pass


@pytest.mark.parametrize("given", [{"once": True}, {"database_url": "postgresql://x"}])
def test_options_of_the_demo_are_refused_on_mainnet(told, given):
    """They would do something else there."""
    with pytest.raises(InputError, match="for the demo"), open_plan(options(mainnet=True, **given)):
        pass


def test_a_configuration_without_strategies_is_refused(told, monkeypatch, settings_for):
    """The story is about decisions."""
    from dataclasses import replace

    import msgspec

    settings: Settings = settings_for("postgresql://x:word@y/z")
    bare = replace(settings, config=msgspec.structs.replace(settings.config, strategies={}))
    monkeypatch.setattr(plan, "load_settings", lambda: bare)
    with pytest.raises(ConfigError, match="strategies"), open_plan(options()):
        pass
