"""The schema's history: alembic revisions of plain SQL. Migrations only add."""
