-- Which data somebody sees who reads a symbol up to $2: the newest write of its minutes, of what is known to be without
-- trades, and of its funding, with how many of those there are.
SELECT concat_ws(
  ' ',
  (SELECT max(ingested_at) FROM candles WHERE symbol = $1 AND interval = '1m' AND time < $2),
  (SELECT concat_ws(' ', count(*), max(detected_at), max(resolved_at))
   FROM data_quality WHERE symbol = $1 AND kind = 'no_trade' AND start_time < $2),
  (SELECT concat_ws(' ', count(*), max(ingested_at)) FROM funding WHERE symbol = $1 AND time < $2)
) AS data_version
