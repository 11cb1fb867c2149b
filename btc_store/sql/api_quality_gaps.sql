-- The ranges of a symbol ($1) in [$2, $3) in which no minute is stored, since its first one, as JSON: whether
-- something is known of them, or they are missing. $4 at most, the newest first; now is $5.
WITH edges AS (
  SELECT greatest($2, first.time) AS start_time,
         least($3, greatest($5::timestamptz, (
           SELECT time + interval '1 minute' FROM candles WHERE symbol = $1 AND interval = '1m'
           ORDER BY time DESC LIMIT 1))) AS end_time
  FROM (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' ORDER BY time LIMIT 1) AS first
), stored AS (
  SELECT range_agg(tstzrange(time, time + interval '1 minute')) AS ranges
  FROM candles, edges WHERE symbol = $1 AND interval = '1m' AND time >= edges.start_time AND time < edges.end_time
), absent AS (
  SELECT tstzmultirange(tstzrange(start_time, greatest(start_time, end_time))) - coalesce(ranges, tstzmultirange()) AS ranges
  FROM edges, stored
), known AS (
  SELECT kind, range_agg(tstzrange(start_time, end_time)) AS ranges
  FROM data_quality
  WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')
    AND end_time > $2 AND start_time < $3 AND start_time < end_time
  GROUP BY kind
), told AS (
  SELECT coalesce((SELECT ranges FROM known WHERE kind = 'no_trade'), tstzmultirange()) AS no_trade,
         coalesce((SELECT ranges FROM known WHERE kind = 'unrecoverable'), tstzmultirange()) AS unrecoverable
), parts AS (
  SELECT 'no_trade' AS state, unnest(ranges * no_trade) AS part FROM absent, told
  UNION ALL SELECT 'unrecoverable', unnest(ranges * unrecoverable - no_trade) FROM absent, told
  UNION ALL SELECT 'missing', unnest(ranges - no_trade - unrecoverable) FROM absent, told
)
SELECT coalesce(json_agg(page), '[]')::text AS items, count(*) AS n
FROM (
  SELECT lower(part) AS start_time, upper(part) AS end_time,
         (extract(epoch FROM upper(part) - lower(part)) / 60)::integer AS minutes, state
  FROM parts ORDER BY lower(part) DESC LIMIT $4) AS page
