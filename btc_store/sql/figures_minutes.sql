-- How many minutes of each of some symbols ($1) are in which state, of the day before $2 or since the first minute.
-- Bounded: the view minute_states, which means the same, goes through all of history.
WITH wanted AS (
  SELECT symbol, greatest(edge.time, date_trunc('minute', $2::timestamptz) - interval '1 day') AS since,
         date_trunc('minute', $2::timestamptz) AS until
  FROM unnest($1::text[]) AS a(symbol) CROSS JOIN LATERAL (
    SELECT time FROM candles WHERE candles.symbol = a.symbol AND interval = '1m' ORDER BY time LIMIT 1
  ) AS edge
), stored AS (
  SELECT wanted.symbol, minute.time, minute.state FROM wanted CROSS JOIN LATERAL (
    SELECT time, state FROM candles
    WHERE candles.symbol = wanted.symbol AND interval = '1m' AND time >= since AND time < until
  ) AS minute
), told AS (
  SELECT wanted.symbol, minute AS time, min(kind) AS state
  FROM wanted JOIN data_quality AS finding
    ON finding.symbol = wanted.symbol AND interval = '1m' AND resolved_at IS NULL
    AND kind IN ('no_trade', 'unrecoverable') AND end_time > since AND start_time < until
  CROSS JOIN LATERAL generate_series(
    date_bin('1 minute', greatest(start_time, since) + interval '59.999999 seconds', timestamptz 'epoch'),
    least(end_time, until) - interval '1 microsecond', interval '1 minute') AS minute
  WHERE NOT EXISTS (SELECT FROM stored WHERE stored.symbol = wanted.symbol AND stored.time = minute)
  GROUP BY wanted.symbol, minute
), counted AS (
  SELECT symbol, state, count(*) AS n_minutes
  FROM (SELECT symbol, state FROM stored UNION ALL SELECT symbol, state FROM told) AS known GROUP BY symbol, state
)
SELECT symbol, state, n_minutes FROM counted
UNION ALL
SELECT symbol, 'missing', greatest(0, extract(epoch FROM until - since)::bigint / 60
       - coalesce((SELECT sum(n_minutes) FROM counted WHERE counted.symbol = wanted.symbol), 0))::bigint
FROM wanted
