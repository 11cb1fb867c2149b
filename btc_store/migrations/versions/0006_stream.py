"""Announce what the live stream tells."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0006"
down_revision = "0005"
downgrade = refuse


def upgrade() -> None:
    """Add triggers."""
    execute_beside(__file__)
