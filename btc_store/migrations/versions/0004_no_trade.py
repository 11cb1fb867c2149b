"""Minutes without trades count as there, and which data a decision saw."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0004"
down_revision = "0003"
downgrade = refuse


def upgrade() -> None:
    """Add a table, three functions, a trigger and a column."""
    execute_beside(__file__)
