-- Put reports into the outbox. Numbers are given out under a lock that lasts until the transaction ends, so they become
-- visible in their order: whoever has read up to a number misses none that is committed later.
WITH alone AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtext('outbox')))
INSERT INTO outbox (kind, asset_key, check_name, partition, passed, severity, metadata)
SELECT kind, asset_key, check_name, partition, passed, severity, metadata
FROM alone, jsonb_to_recordset($1::jsonb)
  AS told (kind text, asset_key text, check_name text, partition text, passed boolean, severity text, metadata jsonb)
