"""``python -m collector`` on the command line."""

import logging

import pytest

from collector.__main__ import main


@pytest.fixture(autouse=True)
def logging_as_before():
    """Undo what a process may do once and for all: configure the root logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_help_shows_an_example(capsys):
    """Every command has --help with an example."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "python -m collector" in capsys.readouterr().out


def test_bad_usage_is_exit_2():
    """An option that does not exist."""
    with pytest.raises(SystemExit) as ended:
        main(["--fast"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "no usable database at 127.0.0.1:1"),
        ("DATABASE_URL", "postgresql://me@nas/btc_data", "the database at nas is not on this machine and no password"),
        ("BTC_CLOCK", "0,0,60", "BTC_CLOCK"),
        ("BTC_CONFIG", "/nowhere/config.yaml", "/nowhere/config.yaml"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_1(monkeypatch, capsys, variable, value, said):
    """No traceback: what was expected, what was found, what to do."""
    for name in ("BTC_CLOCK", "BTC_CONFIG", "BTC_SYMBOLS", "HYPERLIQUID_WS_URL", "HYPERLIQUID_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    assert main([]) == 1
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("collector: ")
    assert said in sentence
