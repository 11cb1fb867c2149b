-- Put 1m candles into the table. Twice is once: a row that says nothing new is not touched.
-- Which of two versions stays:
--   an import replaces imports alone: what the exchange itself said is never overwritten from a file;
--   a provisional candle (stream) replaces a provisional one that has seen fewer trades, or as many and less volume,
--   and a confirmed one that has seen fewer trades: that minute is in doubt again;
--   a confirmed candle (history) replaces imports, and all but a stored one with more trades.
-- A minute that the exchange confirms as an import told it is the exchange's own from then on.
-- The trigger candles_keep_revision keeps the old values and counts the revision.
INSERT INTO candles AS stored (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
SELECT time, symbol, '1m', open, high, low, close, volume, trades, 1, source, state FROM incoming
ON CONFLICT (symbol, interval, time) DO UPDATE SET
  open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
  volume = excluded.volume, trades = excluded.trades, state = excluded.state,
  source = CASE WHEN stored.source LIKE 'import:%'
                     OR (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades)
                     IS DISTINCT FROM
                     (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.trades)
                THEN excluded.source ELSE stored.source END
WHERE ((stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades, stored.state)
       IS DISTINCT FROM
       (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.trades, excluded.state)
       OR (stored.source LIKE 'import:%' AND excluded.source NOT LIKE 'import:%'))
  AND CASE
    WHEN excluded.source LIKE 'import:%' THEN stored.source LIKE 'import:%'
    WHEN excluded.state = 'provisional' THEN coalesce(excluded.trades, 0) > coalesce(stored.trades, 0)
      OR (stored.state = 'provisional' AND excluded.volume > stored.volume
          AND coalesce(excluded.trades, 0) = coalesce(stored.trades, 0))
    ELSE stored.source LIKE 'import:%' OR coalesce(excluded.trades, 0) >= coalesce(stored.trades, 0)
  END
