-- Whether Dagster keeps its runs in this database.
SELECT to_regclass('dagster.run_tags') IS NOT NULL
