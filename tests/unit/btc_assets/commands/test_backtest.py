"""``btc backtest``: bad usage is a sentence and exit 2, before any database is asked."""

import os

import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_assets.commands.backtest import whole_file

AWAY = "postgresql://nobody@127.0.0.1:1/none"
GOOD = {"--symbol": "BTC", "--intervals": "37m", "--strategy": "ma44", "--start": "2025-01-01", "--end": "2025-02-01"}


def run(settings_for, **changes):
    """Run the command against a database that is not there, with some options changed."""
    options = {**GOOD, **{f"--{name.replace('_', '-')}": value for name, value in changes.items()}}
    arguments = [part for name, value in options.items() for part in (name, value)]
    return CliRunner().invoke(main, ["backtest", *arguments], obj=settings_for(AWAY))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "BTX"}, "unknown symbol 'BTX'. Did you mean BTC?"),
        ({"intervals": "6x"}, "'6x' is no interval: expected a number with m, h or d"),
        ({"intervals": "37m,1m"}, "expected an interval longer than 1m"),
        ({"strategy": "ma4"}, "unknown strategy 'ma4'. Did you mean ma44"),
        ({"start": "2025-03-01"}, "is reversed: the start must lie before the end"),
        ({"start": "yesterday"}, "'yesterday' is no time: expected ISO 8601"),
        ({"capital": "0"}, "capital: expected a number above 0, found 0.0"),
        ({"capital": "nan"}, "capital: expected a number above 0, found nan"),
        ({"leverage": "100"}, "leverage: expected a number above 0 and at most 40"),
        ({"taker_bps": "-1"}, "taker_bps: expected at least 0"),
        ({"param": "period"}, "expected name=value, such as period=44"),
        ({"leverage": "0"}, "leverage: expected a number above 0 and at most 40"),
        ({"end": "2025-01-01"}, "is empty: the start must lie before the end"),
        ({"strategy": "ma", "param": "perio=9"}, "unknown parameter of strategy ma 'perio'. Did you mean period?"),
        ({"strategy": "ma", "param": "period=1"}, "period='1' is out of range, expected 2 to 1000"),
        ({"strategy": "ma", "param": "period=x"}, "period='x' is no number"),
        ({"strategy": "ma", "param": "period=9.5"}, "period='9.5' must be a whole number"),
    ],
)
def test_bad_usage_is_a_sentence(settings_for, changes, said):
    """What was expected, what was found, what to do: on standard error, exit 2, nothing on standard output."""
    result = run(settings_for, **changes)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_database_that_is_away_is_a_failed_operation(settings_for):
    """Good usage without a database is exit 1 and says how to reach one."""
    result = run(settings_for)
    assert result.exit_code == 1
    assert "no usable database at 127.0.0.1:1" in result.stderr
    assert "DATABASE_URL" in result.stderr


@pytest.mark.parametrize("place", ["nowhere/out.html", "file/out.html"])
def test_a_report_that_cannot_be_written_is_refused_before_the_database_is_asked(settings_for, tmp_path, place):
    """Nobody waits for a simulation whose page has no place."""
    (tmp_path / "file").write_text("")
    result = run(settings_for, report=str(tmp_path / place))
    assert result.exit_code == 2
    assert f"--report {tmp_path / place}: expected a place where a file can be written, found N" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_backtest_that_fails_leaves_an_older_report_alone(settings_for, tmp_path):
    """The page is replaced when the new one is complete, and nothing else stays behind."""
    older = tmp_path / "out.html"
    older.write_text("older")
    assert run(settings_for, report=str(older)).exit_code == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_a_report_is_written_to_where_a_link_leads(tmp_path):
    """The link stays one; what it leads to is replaced, or made."""
    for name in ("there", "new"):
        (tmp_path / "there").write_text("older")
        link = tmp_path / f"{name}.html"
        link.symlink_to(tmp_path / name)
        with whole_file(link) as write:
            write("page")
        assert (link.is_symlink(), (tmp_path / name).read_text()) == (True, "page")
    assert {path.name for path in tmp_path.iterdir()} == {"there", "new", "there.html", "new.html"}


def test_a_report_is_written_into_what_is_no_file(tmp_path):
    """A pipe (or /dev/null) is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Opened for both, so that nobody waits for the other side.
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    with whole_file(pipe) as write:
        write("page")
    assert pipe.is_fifo()
    assert os.read(reader, 100) == b"page"
    assert list(tmp_path.iterdir()) == [pipe]
    os.close(reader)


def test_a_mode_is_named_in_lower_case(btc):
    """As in config.yaml; click would take the names of the enumeration."""
    assert "[perp|spot]" in btc("backtest", "--help").output
