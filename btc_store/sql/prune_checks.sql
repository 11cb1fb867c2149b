-- Of the $3 check evaluations behind id $1 that no run told and that are from before $2: delete those that are not the newest of their check, with their events.
WITH looked_at AS (
  SELECT id, asset_key, check_name, partition, evaluation_event_storage_id FROM dagster.asset_check_executions
  WHERE run_id = '' AND id > $1::bigint AND evaluation_event_timestamp < $2::timestamptz AT TIME ZONE 'UTC'
  ORDER BY id LIMIT $3::bigint
),
doomed AS (
  SELECT id, evaluation_event_storage_id FROM looked_at AS mine
  WHERE EXISTS (
    SELECT FROM dagster.asset_check_executions AS newer
    WHERE newer.asset_key = mine.asset_key AND newer.check_name = mine.check_name
      AND newer.partition IS NOT DISTINCT FROM mine.partition AND newer.id > mine.id
      AND newer.execution_status <> 'PLANNED'
  )
),
events AS (
  DELETE FROM dagster.event_logs
  WHERE run_id = '' AND id IN (SELECT evaluation_event_storage_id FROM doomed)
),
gone AS (DELETE FROM dagster.asset_check_executions WHERE id IN (SELECT id FROM doomed) RETURNING 1)
SELECT (SELECT max(id) FROM looked_at) AS last_id, (SELECT count(*) FROM gone) AS "reported checks"
