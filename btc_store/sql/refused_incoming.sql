-- The first minutes in [first, last] about which a file differs from what the exchange itself said.
SELECT incoming.time
FROM incoming
JOIN candles AS stored ON stored.symbol = $1 AND stored.interval = '1m' AND stored.time = incoming.time
WHERE stored.time >= $2 AND stored.time <= $3 AND stored.source NOT LIKE 'import:%'
  AND (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades)
      IS DISTINCT FROM
      (incoming.open, incoming.high, incoming.low, incoming.close, incoming.volume, incoming.trades)
ORDER BY incoming.time LIMIT $4
