-- One derivation of a symbol at a time, so that a run that read older minutes cannot write over a newer one's result.
-- Whoever holds it corrects as much history as there is: TimescaleDB, where it is there, unpacks as many rows as that
-- takes (by itself 100,000 a transaction).
SELECT 1 FROM (
  SELECT pg_advisory_xact_lock(hashtext('derive ' || $1)),
         CASE WHEN current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true) IS NOT NULL
              THEN set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true) END
) AS held
