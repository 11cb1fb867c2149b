-- Candles that open in [start, end), with some rows before and some after: a look-back counts candles that exist.
SELECT time, open, high, low, close, volume, trades, minutes
FROM candles
WHERE symbol = $1 AND interval = $2
  AND time >= coalesce((SELECT min(time) FROM (
        SELECT time FROM candles WHERE symbol = $1 AND interval = $2 AND time < $3
        ORDER BY time DESC LIMIT $5) AS before), $3)
  AND time <= coalesce((SELECT max(time) FROM (
        SELECT time FROM candles WHERE symbol = $1 AND interval = $2 AND time >= $4
        ORDER BY time LIMIT $6) AS after), $4 - interval '1 microsecond')
ORDER BY time
