"""Alerts: incidents, messages, whom they were sent to."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add tables and indexes."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would take the percent signs for parameters.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(text)


def downgrade() -> None:
    """Refuse: data would be lost."""
    raise RuntimeError("migrations only add: restore a backup to go back to an earlier schema")
