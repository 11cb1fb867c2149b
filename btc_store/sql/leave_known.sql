-- Leave out of incoming what importing it would not change, of a symbol in [first, last]: to look at a row again is to
-- lock it, and to unpack it where chunks are compressed. What the exchange said stays whatever is told (upsert_minutes).
DELETE FROM incoming USING candles AS stored
WHERE stored.symbol = $1 AND stored.interval = '1m' AND stored.time >= $2 AND stored.time <= $3
  AND stored.time = incoming.time
  AND (stored.source NOT LIKE 'import:%'
       OR (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades)
          IS NOT DISTINCT FROM
          (incoming.open, incoming.high, incoming.low, incoming.close, incoming.volume, incoming.trades))
