-- How whole each UTC day of a symbol ($1) in [$2, $3) is, as JSON: how many minutes it has had by now ($4) since the first
-- one that is stored, how many are stored and of those provisional, and how many have a finding that explains them.
WITH edges AS (
  SELECT (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' ORDER BY time LIMIT 1) AS first,
         greatest($4::timestamptz, (
           SELECT time + interval '1 minute' FROM candles WHERE symbol = $1 AND interval = '1m'
           ORDER BY time DESC LIMIT 1)) AS now
), days AS (
  SELECT day, greatest(day, first) AS start_time, least(day + interval '1 day', now) AS end_time
  FROM edges CROSS JOIN LATERAL generate_series(
    date_bin('1 day', greatest($2, first), timestamptz 'epoch'), least($3, now) - interval '1 microsecond',
    interval '1 day') AS day
  WHERE first IS NOT NULL
), stored AS (
  SELECT date_bin('1 day', time, timestamptz 'epoch') AS day, count(*) AS stored,
         count(*) FILTER (WHERE state = 'provisional') AS provisional
  FROM candles
  WHERE symbol = $1 AND interval = '1m' AND time >= date_bin('1 day', $2, timestamptz 'epoch')
    AND time < $3 + interval '1 day'
  GROUP BY 1
), told AS (
  SELECT date_bin('1 day', minute, timestamptz 'epoch') AS day, count(*) FILTER (WHERE kind = 'no_trade') AS no_trade,
         count(*) FILTER (WHERE kind = 'unrecoverable') AS unrecoverable
  FROM (
    SELECT minute, min(kind) AS kind
    FROM data_quality CROSS JOIN LATERAL generate_series(
      date_bin('1 minute', greatest(start_time, $2) + interval '59.999999 seconds', timestamptz 'epoch'),
      least(end_time, $3 + interval '1 day', $4) - interval '1 microsecond',
      interval '1 minute') AS minute
    WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')
      AND end_time > $2 AND start_time < $3 + interval '1 day'
    GROUP BY minute) AS known
  WHERE NOT EXISTS (SELECT FROM candles WHERE symbol = $1 AND interval = '1m' AND time = minute)
  GROUP BY 1
), counted AS (
  SELECT to_char(days.day AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
         (extract(epoch FROM days.end_time - days.start_time) / 60)::integer AS expected,
         coalesce(stored, 0) AS stored, coalesce(provisional, 0) AS provisional, coalesce(no_trade, 0) AS no_trade,
         coalesce(unrecoverable, 0) AS unrecoverable
  FROM days LEFT JOIN stored USING (day) LEFT JOIN told USING (day)
  WHERE days.end_time > days.start_time ORDER BY days.day
)
SELECT coalesce(json_agg(page), '[]')::text AS items
FROM (SELECT *, greatest(expected - stored - no_trade - unrecoverable, 0) AS missing FROM counted) AS page
