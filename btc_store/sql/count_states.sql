-- What the minutes of a symbol ($1) in [$2, $3) are, counted: as the view minute_states says it, but for the missing ones,
-- which are the rest.
WITH stored AS (
  SELECT time, state FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
), told AS (
  SELECT minute AS time, min(kind) AS state
  FROM data_quality CROSS JOIN LATERAL generate_series(
    date_bin('1 minute', greatest(start_time, $2::timestamptz) + interval '59.999999 seconds', timestamptz 'epoch'),
    least(end_time, $3::timestamptz) - interval '1 microsecond', interval '1 minute') AS minute
  WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')
    -- as the index data_quality_minutes says it
    AND kind IN ('no_trade', 'unrecoverable', 'conflict') AND end_time > $2 AND start_time < $3
  GROUP BY minute
)
SELECT coalesce(stored.state, told.state) AS state, count(*) AS n
FROM stored FULL JOIN told USING (time) GROUP BY 1 ORDER BY 1
