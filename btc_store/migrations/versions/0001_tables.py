"""The tables of the outward contract."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0001"
down_revision = None
downgrade = refuse


def upgrade() -> None:
    """Create tables, view and triggers; hypertables where TimescaleDB is loaded."""
    execute_beside(__file__)
