"""``btc derive``: bad usage and a missing database are sentences, before Dagster is asked."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.settings import project_root
from tests.derivation import made_minutes, store_minutes

AWAY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--symbol", "BTX", "--start", "2025-01-01"], 2, "unknown symbol 'BTX'. Did you mean BTC?"),
        (["--symbol", "BTC"], 2, "Missing option '--start'"),
        (["--symbol", "BTC", "--start", "2025-02-01", "--end", "2025-01-01"], 2, "is reversed"),
        (["--symbol", "BTC", "--start", "2025-01-01", "--end", "2025-01-01"], 2, "is empty"),
        (["--symbol", "BTC", "--start", "2010-01-01"], 2, "lies before the first partition"),
        (["--symbol", "BTC", "--start", "2025-01-01", "--end", "2025-02-01"], 1, "no usable database at 127.0.0.1:1"),
    ],
)
def test_what_goes_wrong_is_a_sentence(settings_for, arguments, code, said):
    """The exit code tells bad usage from a failed operation; no traceback, nothing on standard output."""
    result = CliRunner().invoke(main, ["derive", *arguments], obj=settings_for(AWAY))
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_it_says_what_is_new_of_every_kind(settings_for, database_url, tmp_path, monkeypatch):
    """Candles, indicators, decisions and paper accounts; the second time nothing is new, and trades are replayed."""
    config = (project_root() / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(config.replace("paper: {}", "paper: {start: 2025-01-01}"), encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", database_url)
    start = datetime(2025, 1, 30, tzinfo=UTC)
    minutes = made_minutes(TimeRange(start, start + timedelta(days=3)), random.Random(1), n_gaps=0)
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes, source="ws")
    settings = settings_for(database_url, BTC_CONFIG=str(tmp_path / "config.yaml"))
    command = ["derive", "--symbol", "BTC", "--start", "2025-01-30", "--end", "2025-02-02", "--json"]
    first, second = (CliRunner().invoke(main, command, obj=settings) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    new, same = (json.loads(each.stdout)["rows_written"] for each in (first, second))
    assert set(new) == {"candles", "indicators", "decisions", "paper"}
    assert min(new.values()) > 0
    assert (same["candles"], same["indicators"], same["decisions"]) == (0, 0, 0)
