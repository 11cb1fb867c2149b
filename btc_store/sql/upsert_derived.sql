-- Put derived candles into the table; one that is the same is not touched.
INSERT INTO candles AS stored
  (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
SELECT time, $1, $2, open, high, low, close, volume, trades, minutes, 'derived', 'confirmed' FROM incoming
ON CONFLICT (symbol, interval, time) DO UPDATE SET
  open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
  trades = excluded.trades, minutes = excluded.minutes, revision = stored.revision + 1, ingested_at = now()
WHERE (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades, stored.minutes)
      IS DISTINCT FROM
      (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.trades, excluded.minutes)
