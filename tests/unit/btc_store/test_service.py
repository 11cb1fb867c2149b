"""A process that serves: what a person sees of it on the command line, and how it ends."""

import logging
import os
import signal

import pytest

from btc_core.errors import DataError
from btc_store.service import run_service

TEXTS = {"description": "Serve.", "epilog": "example:\n  python -m waiter"}


@pytest.fixture(autouse=True)
def logging_as_before():
    """Undo what a process may do once and for all: configure the root logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_0(number):
    """Both are a person's or a supervisor's word to stop; what serves ends by itself."""
    said = []

    async def serve(settings, stop):
        os.kill(os.getpid(), number)
        await stop.wait()
        said.append(settings.config is not None)

    assert run_service("waiter", serve, [], **TEXTS) == 0
    assert said == [True]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("no table is free"), "waiter: no table is free"),
        (KeyError("plate"), "waiter: unexpected KeyError: 'plate'. --debug shows where"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--debug"]])
def test_what_ends_it_is_one_sentence_and_exit_1(capsys, error, said, options):
    """A traceback is for who asked for it."""

    async def serve(settings, stop):
        raise error

    assert run_service("waiter", serve, options, **TEXTS) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == said
    assert ("Traceback (most recent call last):" in lines) == bool(options)


def test_help_has_the_example(capsys):
    """Every command has --help with an example."""
    with pytest.raises(SystemExit) as ended:
        run_service("waiter", None, ["--help"], **TEXTS)
    assert ended.value.code == 0
    assert "python -m waiter" in capsys.readouterr().out
