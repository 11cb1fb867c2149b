-- Dagster's jobs of which a run has failed within the last day, and none has succeeded since: with the symbols that the
-- run was for, where it was for some.
WITH failing AS (
  SELECT DISTINCT pipeline_name FROM dagster.runs
  WHERE status = 'FAILURE' AND update_timestamp > now() AT TIME ZONE 'UTC' - interval '1 day'
), runs AS (
  SELECT id, run_id, pipeline_name AS job, status, coalesce((
           SELECT string_agg(DISTINCT split_part(value, '|', 2), ' to ') FROM dagster.run_tags
           WHERE run_tags.run_id = runs.run_id
             AND key IN ('dagster/asset_partition_range_start', 'dagster/asset_partition_range_end')), '') AS symbols
  FROM dagster.runs JOIN failing USING (pipeline_name)
  WHERE status IN ('FAILURE', 'SUCCESS') AND update_timestamp > now() AT TIME ZONE 'UTC' - interval '1 day'
)
SELECT job, symbols, count(*) AS n_failed, (array_agg(run_id ORDER BY id DESC))[1] AS run_id
FROM runs AS failed
WHERE status = 'FAILURE' AND NOT EXISTS (
  SELECT FROM runs AS later
  WHERE later.job = failed.job AND later.symbols = failed.symbols AND later.id > failed.id AND later.status = 'SUCCESS')
GROUP BY job, symbols
ORDER BY job, symbols
