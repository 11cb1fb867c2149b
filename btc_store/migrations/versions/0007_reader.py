"""A role that may only read."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0007"
down_revision = "0006"
downgrade = refuse


def upgrade() -> None:
    """Add a role, and what it may see."""
    execute_beside(__file__)
