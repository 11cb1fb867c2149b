-- Candles of a symbol and interval that open in [start, end), ascending.
SELECT time, open, high, low, close, volume, trades, minutes
FROM candles
WHERE symbol = $1 AND interval = $2 AND time >= $3 AND time < $4
ORDER BY time
