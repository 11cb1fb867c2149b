"""Where a lake is on a disk of ours, and how that disk is."""

from pathlib import Path

import pytest

from api.disk import folder_of, look_at


@pytest.mark.parametrize(
    ("lake", "folder"),
    [("/data/lake", Path("/data/lake")), ("lake", Path("lake")), ("", None), ("s3://bucket/x", None), ("az://x", None)],
)
def test_a_folder_is_on_a_disk(lake, folder):
    """An object store is not, nor is no lake."""
    assert folder_of(lake) == folder


def test_what_is_no_part_of_the_lake_does_not_count(tmp_path):
    """A file that was left behind by whoever was killed has no manifest beside it."""
    (tmp_path / "candles").mkdir()
    (tmp_path / "candles" / "rows.parquet").write_text("x")
    found = look_at(tmp_path)
    assert (found.n_parts, found.written_at) == (0, None)
    assert 0 <= found.free_bytes <= found.total_bytes
