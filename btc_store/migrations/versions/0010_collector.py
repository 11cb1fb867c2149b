"""The collector as a role of its own, which may do what it does and nothing else."""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add a role, what it may do, and a guard for what is derived."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would take the percent signs for parameters.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(text)


def downgrade() -> None:
    """Refuse: data would be lost."""
    raise RuntimeError("migrations only add: restore a backup to go back to an earlier schema")
