-- The ranges of [start, end) in which no minute is stored or known to be without trades, ascending.
WITH known AS (
  SELECT time AS start_time, time + interval '1 minute' AS end_time
  FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
  UNION ALL
  SELECT greatest(start_time, $2::timestamptz), least(end_time, $3::timestamptz)
  FROM data_quality
  WHERE symbol = $1 AND interval = '1m' AND kind = 'no_trade' AND resolved_at IS NULL
    AND start_time < $3 AND end_time > $2
  UNION ALL
  VALUES ($2::timestamptz, $2::timestamptz), ($3::timestamptz, $3::timestamptz)
), edges AS (
  SELECT max(end_time) OVER by_start AS start_time, lead(start_time) OVER by_start AS end_time
  FROM known WINDOW by_start AS (ORDER BY start_time)
)
SELECT start_time, end_time FROM edges WHERE start_time < end_time ORDER BY start_time
