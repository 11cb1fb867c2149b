"""``btc export`` before it reaches the database; what it writes is in tests/integration/test_cli."""

import pytest

ASKED = ("export", "--symbol", "BTC", "--interval", "1h")


def test_folder_for_a_file(btc, tmp_path):
    """A folder is not replaced."""
    result = btc(*ASKED, "-o", tmp_path)
    assert result.exit_code == 2
    assert "is a directory" in result.stderr


def test_folder_that_is_missing(btc, tmp_path):
    """Folders are not made on the way."""
    result = btc(*ASKED, "-o", tmp_path / "missing" / "x.csv")
    assert result.exit_code == 2
    assert "expected a file in an existing folder" in result.stderr


@pytest.mark.parametrize("option", [["--format", "parquet"], ["--json"]])
def test_standard_output_is_for_csv_alone(btc, option):
    """Parquet is no text, and --json is the answer itself."""
    result = btc(*ASKED, "-o", "-", *option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "-o - writes csv to standard output" in result.stderr


def test_unknown_format(btc):
    """The known ones are named."""
    result = btc(*ASKED, "-o", "x", "--format", "xlsx")
    assert result.exit_code == 2
    assert "'csv', 'parquet'" in result.stderr


def test_database_that_is_away(btc, tmp_path):
    """A failed operation leaves no file."""
    result = btc(*ASKED, "-o", tmp_path / "x.csv")
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []
