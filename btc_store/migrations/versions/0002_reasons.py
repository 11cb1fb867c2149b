"""Why a stored minute changed, which coin a symbol was collected from, the states of a whole year at once."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Replace trigger and view by ones that say more; add a table and an index."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would take the percent signs for parameters.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(text)


def downgrade() -> None:
    """Refuse: data would be lost."""
    raise RuntimeError("migrations only add: restore a backup to go back to an earlier schema")
