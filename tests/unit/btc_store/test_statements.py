"""SQL statements are files, found by name and described."""

from pathlib import Path

import pytest

from btc_store import statements
from btc_store.statements import statement

FILES = sorted((Path(statements.__file__).parent / "sql").glob("*.sql"))


def test_a_statement_is_found_by_its_name():
    """The name is the file's."""
    assert "FROM candles" in statement("newest_candle")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_statement_says_what_it_is_for(file):
    """The first line is a comment, and the text takes no values but parameters."""
    text = file.read_text(encoding="utf-8")
    assert text.startswith("-- ")
    assert "%s" not in text
    assert "{" not in text
