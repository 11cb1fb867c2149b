"""``btc gaps`` before it reaches the database; its answers are in tests/integration/test_cli."""


def test_database_that_is_away(btc):
    """A failed operation; nothing on standard output."""
    result = btc("gaps", "--symbol", "BTC", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("no usable database at 127.0.0.1:1")


def test_range_without_an_offset_is_utc(btc):
    """Midnight UTC to 01:00 at +01:00 is empty."""
    result = btc("gaps", "--symbol", "BTC", "--start", "2025-01-01", "--end", "2025-01-01T01:00+01:00")
    assert result.exit_code == 2
    assert "is empty" in result.stderr
