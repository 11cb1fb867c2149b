-- Of the $3 asset events behind id $1 that no run told and that are from before $2: delete those that are not the newest of their kind for their asset partition.
WITH looked_at AS (
  SELECT id, asset_key, dagster_event_type, partition FROM dagster.event_logs
  WHERE run_id = '' AND id > $1::bigint AND timestamp < $2::timestamptz AT TIME ZONE 'UTC'
    AND asset_key IS NOT NULL
  ORDER BY id LIMIT $3::bigint
),
doomed AS (
  SELECT id FROM looked_at AS mine
  WHERE EXISTS (
    SELECT FROM dagster.event_logs AS newer
    WHERE newer.asset_key = mine.asset_key AND newer.dagster_event_type = mine.dagster_event_type
      AND newer.partition = mine.partition AND newer.id > mine.id
  ) OR mine.partition IS NULL AND EXISTS (
    SELECT FROM dagster.event_logs AS newer
    WHERE newer.asset_key = mine.asset_key AND newer.dagster_event_type = mine.dagster_event_type
      AND newer.partition IS NULL AND newer.id > mine.id
  )
),
tags AS (DELETE FROM dagster.asset_event_tags WHERE event_id IN (SELECT id FROM doomed)),
gone AS (DELETE FROM dagster.event_logs WHERE id IN (SELECT id FROM doomed) RETURNING 1)
SELECT (SELECT max(id) FROM looked_at) AS last_id, (SELECT count(*) FROM gone) AS "reported events"
