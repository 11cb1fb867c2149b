-- How Dagster is; null where it has never run.
SELECT daemon_age_seconds, n_failed_day, n_waiting FROM dagster_figures()
