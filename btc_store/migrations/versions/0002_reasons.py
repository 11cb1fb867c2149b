"""Why a stored minute changed, which coin a symbol was collected from, the states of a whole year at once."""

from btc_store.migrations.plain import execute_beside, refuse

revision = "0002"
down_revision = "0001"
downgrade = refuse


def upgrade() -> None:
    """Replace trigger and view by ones that say more; add a table and an index."""
    execute_beside(__file__)
