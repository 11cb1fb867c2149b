"""The version of the arithmetic."""

from btc_core.version import CODE_VERSION


def test_the_version_is_a_counter():
    """Dagster compares it as text; whoever changes a result raises it by one."""
    assert str(int(CODE_VERSION)) == CODE_VERSION
