"""Alerts: incidents, messages, whom they were sent to."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0009"
down_revision = "0008"
downgrade = refuse


def upgrade() -> None:
    """Add tables and indexes."""
    execute_beside(__file__)
