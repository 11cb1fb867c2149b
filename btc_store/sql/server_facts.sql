-- What the server is and which clock its market runs on; null where TimescaleDB is not in this database.
SELECT current_setting('server_version') AS postgresql,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       current_setting('timescaledb.license', true) AS licence,
       market_now() AS market_now,
       to_regclass('dagster.runs') IS NOT NULL AS has_dagster
