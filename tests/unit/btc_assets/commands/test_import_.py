"""``btc import`` before it reaches the database; what it stores is in tests/integration/test_cli and test_imports."""


def test_no_file(btc):
    """Bad usage."""
    result = btc("import", "--symbol", "BTC")
    assert result.exit_code == 2
    assert "Missing argument 'FILE...'" in result.stderr


def test_source_that_cannot_be_a_name(btc):
    """Said before a file is read."""
    result = btc("import", "x.csv", "--symbol", "BTC", "--source", "my file")
    assert result.exit_code == 2
    assert "'my file' is no name of a source" in result.stderr


def test_database_that_is_away(btc, tmp_path):
    """A failed operation; nothing on standard output."""
    result = btc("import", tmp_path / "x.csv", "--symbol", "BTC", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("no usable database at 127.0.0.1:1")
