"""``btc db`` before it reaches the database; its answers are in tests/integration/test_cli."""

import pytest


@pytest.mark.parametrize("action", ["upgrade", "status"])
def test_database_that_is_away(btc, action):
    """A failed operation; the sentence says what to do, standard output stays empty."""
    result = btc("db", action, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no usable database at 127.0.0.1:1" in result.stderr
    assert "DATABASE_URL" in result.stderr


def test_unknown_action(btc):
    """The near miss is named."""
    result = btc("db", "statu")
    assert result.exit_code == 2
    assert result.stderr == "btc db: No such command 'statu'. Did you mean 'status'? See `btc db --help`.\n"


@pytest.mark.parametrize("action", ["upgrade", "status"])
def test_help_has_an_example(btc, action):
    """Of the action itself."""
    assert f"Example:\n    btc db {action}" in btc("db", action, "--help").stdout
