"""The live lane: a word when a minute is written, what it remembers, and what it has done for Dagster to show."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0003"
down_revision = "0002"
downgrade = refuse


def upgrade() -> None:
    """Add two tables and two triggers."""
    execute_beside(__file__)
