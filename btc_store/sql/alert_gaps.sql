-- Minutes of a symbol ($1) in [$2, $3) that are missing between stored ones, and not known to be without trades or given
-- up: how many, in how many ranges, from when to when.
WITH stored AS (
  SELECT time, lag(time) OVER (ORDER BY time) + interval '1 minute' AS due
  FROM candles WHERE symbol = $1 AND interval = '1m' AND time < $3 AND time >= coalesce(
    (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time < $2 ORDER BY time DESC LIMIT 1), $2)
), known AS (
  SELECT range_agg(tstzrange(start_time, end_time)) AS ranges
  FROM data_quality
  WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')
    AND end_time > $2 AND start_time < $3 AND start_time < end_time
), missing AS (
  SELECT unnest(range_agg(tstzrange(greatest(due, $2), time)) - coalesce((SELECT ranges FROM known), tstzmultirange()))
    AS part
  FROM stored WHERE time > due AND time > $2
)
SELECT count(*) AS n_ranges, coalesce(sum(extract(epoch FROM upper(part) - lower(part)) / 60), 0)::float8 AS minutes,
       min(lower(part)) AS first, max(upper(part)) AS last
FROM missing
