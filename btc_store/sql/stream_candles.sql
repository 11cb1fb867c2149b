-- Candles of a symbol and interval at some times, ascending.
SELECT time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state, revision, ingested_at
FROM candles WHERE symbol = $1 AND interval = $2 AND time = ANY ($3::timestamptz[])
ORDER BY time
