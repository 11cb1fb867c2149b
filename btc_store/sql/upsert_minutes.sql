-- Put 1m candles into the table. Twice is once: a row that says nothing new is not touched.
-- Which of two versions stays:
--   an import replaces imports alone: what the exchange itself said is never overwritten from a file;
--   a provisional candle (stream) replaces a provisional one that has seen fewer trades, nothing else;
--   a confirmed candle (REST) replaces all but a stored one with more trades.
-- The trigger candles_keep_revision keeps the old values and counts the revision.
INSERT INTO candles AS stored (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
SELECT time, symbol, '1m', open, high, low, close, volume, trades, 1, source, state FROM incoming
ON CONFLICT (symbol, interval, time) DO UPDATE SET
  open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
  volume = excluded.volume, trades = excluded.trades, state = excluded.state,
  source = CASE WHEN (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades)
                     IS DISTINCT FROM
                     (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.trades)
                THEN excluded.source ELSE stored.source END
WHERE (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades, stored.state)
      IS DISTINCT FROM
      (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.trades, excluded.state)
  AND CASE
    WHEN excluded.source LIKE 'import:%' THEN stored.source LIKE 'import:%'
    WHEN excluded.state = 'provisional' THEN stored.state = 'provisional'
      AND (coalesce(excluded.trades, 0), excluded.volume) > (coalesce(stored.trades, 0), stored.volume)
    ELSE stored.source LIKE 'import:%' OR coalesce(excluded.trades, 0) >= coalesce(stored.trades, 0)
  END
