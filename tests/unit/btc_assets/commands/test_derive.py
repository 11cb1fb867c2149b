"""``btc derive``: bad usage and a missing database are sentences, before Dagster is asked."""

import pytest
from click.testing import CliRunner

from btc_assets.cli import main

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
