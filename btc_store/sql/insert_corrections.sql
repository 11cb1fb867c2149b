-- Open a finding where a decision was made live, so that somebody may have acted on it, and its re-derivation says
-- another signal or exposure. Live is what was decided within an hour of the candle's close. The first word stays.
INSERT INTO data_quality AS known (symbol, interval, kind, severity, start_time, end_time, details)
SELECT $1, $2, 'correction', 'warning', time, close_time, jsonb_build_object(
  'strategy', $3::text, 'effect', 'decided otherwise since',
  'old', first -> 'words', 'old_run', first -> 'run', 'new', newest -> 'words', 'new_run', newest -> 'run')
FROM (SELECT time, max(close_time) AS close_time FROM incoming GROUP BY time) AS spoken
CROSS JOIN LATERAL (
  SELECT (array_agg(said ORDER BY revision))[1] AS first, (array_agg(said ORDER BY revision DESC))[1] AS newest,
         (array_agg(decided_at ORDER BY revision))[1] AS decided_at
  FROM (
    SELECT revision, min(decided_at) AS decided_at, jsonb_build_object(
             'words', jsonb_agg(jsonb_build_object('signal', signal, 'exposure', exposure) ORDER BY seq),
             'run', min(run_id)) AS said
    FROM decisions
    WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND decisions.time = spoken.time
    GROUP BY revision) AS revisions) AS words
WHERE first -> 'words' <> newest -> 'words' AND decided_at <= close_time + interval '1 hour'
ON CONFLICT (symbol, interval, kind, start_time, end_time, (details ->> 'strategy'))
  WHERE resolved_at IS NULL AND start_time IS NOT NULL AND kind <> 'quarantined'
DO UPDATE SET details = excluded.details WHERE known.details <> excluded.details
