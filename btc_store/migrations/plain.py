"""What every revision does: the SQL of its own file, forwards only."""

from pathlib import Path

from alembic import op


def execute_beside(revision: str) -> None:
    """Execute the SQL beside a revision, inside its transaction.

    Args:
        revision: The revision's ``__file__``; the SQL's name differs in its ending.
    """
    text = Path(revision).with_suffix(".sql").read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would take the percent signs for parameters.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(text)


def refuse() -> None:
    """Refuse to go back: data would be lost."""
    raise RuntimeError("migrations only add: restore a backup to go back to an earlier schema")
