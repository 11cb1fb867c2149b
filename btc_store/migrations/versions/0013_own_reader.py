"""Whoever made the role that only reads may take it, too."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0013"
down_revision = "0012"
downgrade = refuse


def upgrade() -> None:
    """Grant a role."""
    execute_beside(__file__)
