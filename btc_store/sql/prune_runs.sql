-- Of the $3 runs behind id $1 that a sensor or schedule started and that ended before $2 (Unix seconds): delete those that nobody needs, with their events.
WITH looked_at AS (
  SELECT runs.id, runs.run_id FROM dagster.runs
  WHERE runs.id > $1::bigint AND runs.status IN ('SUCCESS', 'FAILURE', 'CANCELED')
    AND coalesce(runs.end_time, extract(epoch FROM runs.create_timestamp)) < $2::float8
    AND EXISTS (SELECT FROM dagster.run_tags AS tag
                WHERE tag.run_id = runs.run_id AND tag.key IN ('dagster/sensor_name', 'dagster/schedule_name'))
    AND NOT EXISTS (SELECT FROM dagster.run_tags AS tag WHERE tag.run_id = runs.run_id AND tag.key = 'keep')
  ORDER BY runs.id LIMIT $3::bigint
),
-- The newest event of an asset partition stays, and its run with it. An attempt is outdone by what it attempted, too.
asset_events AS (
  SELECT event.run_id, event.id, event.asset_key, event.dagster_event_type AS kind, event.partition,
         CASE event.dagster_event_type WHEN 'ASSET_MATERIALIZATION_PLANNED' THEN 'ASSET_MATERIALIZATION' END AS outdone_by
  FROM dagster.event_logs AS event JOIN looked_at USING (run_id)
  WHERE event.asset_key IS NOT NULL
    AND event.dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED', 'ASSET_OBSERVATION')
),
needed_for_assets AS (
  SELECT mine.run_id FROM asset_events AS mine
  WHERE NOT EXISTS (
    SELECT FROM dagster.event_logs AS newer
    WHERE newer.asset_key = mine.asset_key AND newer.dagster_event_type IN (mine.kind, mine.outdone_by)
      AND newer.partition = mine.partition AND newer.id > mine.id
  ) AND (mine.partition IS NOT NULL OR NOT EXISTS (
    SELECT FROM dagster.event_logs AS newer
    WHERE newer.asset_key = mine.asset_key AND newer.dagster_event_type IN (mine.kind, mine.outdone_by)
      AND newer.partition IS NULL AND newer.id > mine.id
  ))
),
-- So does the newest evaluation of a check.
needed_for_checks AS (
  SELECT mine.run_id FROM dagster.asset_check_executions AS mine JOIN looked_at USING (run_id)
  WHERE NOT EXISTS (
    SELECT FROM dagster.asset_check_executions AS newer
    WHERE newer.asset_key = mine.asset_key AND newer.check_name = mine.check_name
      AND newer.partition IS NOT DISTINCT FROM mine.partition AND newer.id > mine.id
      AND (newer.execution_status <> 'PLANNED' OR mine.execution_status = 'PLANNED')
  )
),
doomed AS (
  SELECT run_id FROM looked_at
  EXCEPT SELECT run_id FROM needed_for_assets
  EXCEPT SELECT run_id FROM needed_for_checks
),
tags AS (
  DELETE FROM dagster.asset_event_tags AS tag USING dagster.event_logs AS event
  WHERE tag.event_id = event.id AND event.run_id IN (SELECT run_id FROM doomed)
),
checks AS (DELETE FROM dagster.asset_check_executions WHERE run_id IN (SELECT run_id FROM doomed)),
events AS (DELETE FROM dagster.event_logs WHERE run_id IN (SELECT run_id FROM doomed) RETURNING 1),
gone AS (DELETE FROM dagster.runs WHERE run_id IN (SELECT run_id FROM doomed) RETURNING 1)
SELECT (SELECT max(id) FROM looked_at) AS last_id, (SELECT count(*) FROM gone) AS runs,
       (SELECT count(*) FROM events) AS "events of runs"
