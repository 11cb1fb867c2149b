"""What a backtest needs and keeps: funding, the coin's terms, trades in full, reports."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0005"
down_revision = "0004"
downgrade = refuse


def upgrade() -> None:
    """Add tables and columns."""
    execute_beside(__file__)
