-- The newest candle of a symbol and interval.
SELECT time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state, revision, ingested_at
FROM candles WHERE symbol = $1 AND interval = $2
ORDER BY time DESC LIMIT 1
