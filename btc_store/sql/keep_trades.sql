-- A file that does not count trades says nothing about them: where the rest is equal, the stored count stays.
UPDATE incoming SET trades = stored.trades
FROM candles AS stored
WHERE incoming.trades IS NULL AND stored.trades IS NOT NULL
  AND stored.symbol = $1 AND stored.interval = '1m' AND stored.time >= $2 AND stored.time <= $3
  AND stored.time = incoming.time
  AND (stored.open, stored.high, stored.low, stored.close, stored.volume)
      = (incoming.open, incoming.high, incoming.low, incoming.close, incoming.volume)
