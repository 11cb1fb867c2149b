-- Candles that open in [start, end), with some rows before and some after: a look-back counts candles that exist. When
-- each was written tells which data somebody saw who looked at them. Nothing is looked for outside of [$7, $8): these
-- bounds are parameters, so that the chunks of years are not even planned.
SELECT time, open, high, low, close, volume, trades, minutes, ingested_at
FROM candles
WHERE symbol = $1 AND interval = $2 AND time >= $7 AND time < $8
  AND time >= coalesce((SELECT min(time) FROM (
        SELECT time FROM candles WHERE symbol = $1 AND interval = $2 AND time >= $7 AND time < $3
        ORDER BY time DESC LIMIT $5) AS before), $3)
  AND time <= coalesce((SELECT max(time) FROM (
        SELECT time FROM candles WHERE symbol = $1 AND interval = $2 AND time >= $4 AND time < $8
        ORDER BY time LIMIT $6) AS after), $4 - interval '1 microsecond')
ORDER BY time
