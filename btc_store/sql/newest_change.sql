-- When the newest of the 1m candles of a symbol in [start, end) was written, or the last of them was said to be without
-- trades, or to be so no more.
SELECT greatest(
  (SELECT max(ingested_at) FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3),
  (SELECT max(noted_at) FROM no_trade_changes WHERE symbol = $1 AND start_time < $3 AND end_time > $2)) AS written_at
