-- The newest candle of each of some symbols ($1) and intervals ($2).
SELECT symbol, interval, newest.time
FROM unnest($1::text[]) AS a(symbol) CROSS JOIN unnest($2::text[]) AS b(interval) CROSS JOIN LATERAL (
  SELECT time FROM candles WHERE candles.symbol = a.symbol AND candles.interval = b.interval ORDER BY time DESC LIMIT 1
) AS newest
