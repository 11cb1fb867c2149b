-- One collector at a time writes the minutes of a symbol and what is said of them, until its transaction ends.
-- Minutes that waited for long may be of many symbols, and each unpacks a thousand rows where TimescaleDB has compressed
-- them: as many as that takes (by itself 100,000 a transaction).
SELECT 1 FROM (
  SELECT pg_advisory_xact_lock(hashtext('minutes ' || $1::text)),
         CASE WHEN current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true) IS NOT NULL
              THEN set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true) END
) AS held
