"""The collector as a role of its own, which may do what it does and nothing else."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0010"
down_revision = "0009"
downgrade = refuse


def upgrade() -> None:
    """Add a role, what it may do, and a guard for what is derived."""
    execute_beside(__file__)
