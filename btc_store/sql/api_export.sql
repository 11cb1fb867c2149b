-- Candles as lines of CSV, a page of them: a symbol ($1), an interval ($2), in [$3, $4), $5 at most.
SELECT string_agg(line, E'\n' ORDER BY time) AS lines, max(time) AS last, count(*) AS n
FROM (
  SELECT time, concat_ws(',', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), symbol, open, high, low,
                         close, volume, coalesce(trades::text, ''), minutes) AS line
  FROM candles WHERE symbol = $1 AND interval = $2 AND time >= $3 AND time < $4
  ORDER BY time LIMIT $5) AS page
