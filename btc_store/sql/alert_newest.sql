-- The newest minute of each of some symbols that have any, and where it came from.
SELECT symbol, newest.time, newest.source
FROM unnest($1::text[]) AS symbol CROSS JOIN LATERAL (
  SELECT time, source FROM candles WHERE candles.symbol = symbol.symbol AND interval = '1m' ORDER BY time DESC LIMIT 1) AS newest
