-- A page of candles as JSON, ascending by time: a symbol ($1), an interval ($2), in [$3, $4), $5 at most.
SELECT coalesce(json_agg(page), '[]')::text AS items, count(*) AS n, max(page.time) AS last
FROM (
  SELECT time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state, revision, ingested_at
  FROM candles WHERE symbol = $1 AND interval = $2 AND time >= $3 AND time < $4
  ORDER BY time LIMIT $5) AS page
