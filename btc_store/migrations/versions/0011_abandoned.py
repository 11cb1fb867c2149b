"""Who computes a backtest, and what became of those that nobody computes any more."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0011"
down_revision = "0010"
downgrade = refuse


def upgrade() -> None:
    """Add functions."""
    execute_beside(__file__)
