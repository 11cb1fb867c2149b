-- Since when the oldest transaction has been open that may still write: what began before it has been committed, or is
-- nothing. Now, where none is open; long ago, where one is of a user whom we may not see.
SELECT coalesce(min(CASE WHEN query = '<insufficient privilege>' THEN clock_timestamp() - interval '1 day'
                         ELSE xact_start END), clock_timestamp()) AS since
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
