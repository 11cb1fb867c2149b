"""Whoever made the role that only reads may take it, too."""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Grant a role."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would take the percent signs for parameters.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(text)


def downgrade() -> None:
    """Refuse: data would be lost."""
    raise RuntimeError("migrations only add: restore a backup to go back to an earlier schema")
