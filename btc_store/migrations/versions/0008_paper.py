"""Paper accounts: accounts, their trades, worth and earlier states."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0008"
down_revision = "0007"
downgrade = refuse


def upgrade() -> None:
    """Add tables and an index."""
    execute_beside(__file__)
