"""What a correction replaces is kept also where a restore has brought revisions from elsewhere."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0012"
down_revision = "0011"
downgrade = refuse


def upgrade() -> None:
    """Replace a function."""
    execute_beside(__file__)
