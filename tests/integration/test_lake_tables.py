"""Every table of ours is archived, or it is said why not; rows go out and in as they are."""

from benchmarks.one_pass import query
from btc_store.frames import open_frames
from btc_store.lake_tables import KINDS, NOT_ARCHIVED, columns_of
from btc_store.statements import statement


def test_every_table_is_archived_or_left_out_for_a_reason(database_url):
    """A new migration's table is decided on: in KINDS, or in NOT_ARCHIVED with the reason."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with open_frames(database_url) as frames:
        found = set(query(frames, tables)["tablename"])
    archived = {table.name for kind in KINDS.values() for table in kind.tables}
    assert archived | set(NOT_ARCHIVED) == found
    assert archived & set(NOT_ARCHIVED) == set()


def test_each_kind_has_its_statement():
    """``archived_<kind>`` lists its parts; unsettled months come with the settled."""
    for name in KINDS.keys() - {"unsettled"}:
        assert "digest" in statement(f"archived_{name}")


def test_columns_come_from_the_catalogue(database_url):
    """So what a migration adds is archived without a word here."""
    with open_frames(database_url) as frames:
        assert list(columns_of(frames, "candles").items())[:2] == [
            ("time", "timestamp with time zone"),
            ("symbol", "text"),
        ]
        assert columns_of(frames, "decisions")["indicator_snapshot"] == "jsonb"
        assert columns_of(frames, "nothing") == {}
