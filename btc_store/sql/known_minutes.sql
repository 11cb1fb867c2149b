-- What is known of a symbol's minutes since a time: its first and its newest stored minute, and the newest one before
-- that time, in every row; and the runs of minutes of one state, ascending. A stored minute outweighs what a finding
-- says of it.
WITH told AS (
  SELECT minute AS time, min(kind) AS state
  FROM data_quality CROSS JOIN LATERAL generate_series(
    date_bin('1 minute', greatest(start_time, $2) + interval '59.999999 seconds', timestamptz 'epoch'),
    least(end_time, date_trunc('minute', market_now())) - interval '1 microsecond', interval '1 minute') AS minute
  WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')
    AND end_time > $2
  GROUP BY minute
), stored AS (
  SELECT time, state FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2
), minutes AS (
  SELECT time, state FROM stored
  UNION ALL
  SELECT time, state FROM told WHERE NOT EXISTS (SELECT FROM stored WHERE stored.time = told.time)
), runs AS (
  SELECT state, min(time) AS start_time, max(time) + interval '1 minute' AS end_time
  FROM (SELECT time, state, time - row_number() OVER (PARTITION BY state ORDER BY time) * interval '1 minute' AS island
        FROM minutes) AS numbered
  GROUP BY state, island
)
SELECT edges.first, edges.before, coalesce((SELECT max(time) FROM stored), edges.before) AS newest,
       runs.state, runs.start_time, runs.end_time
FROM (SELECT
  (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' ORDER BY time LIMIT 1) AS first,
  (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time < $2 ORDER BY time DESC LIMIT 1) AS before
) AS edges
LEFT JOIN runs ON true
ORDER BY start_time
