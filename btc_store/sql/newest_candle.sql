-- Open time of the newest candle of a symbol and interval.
SELECT time FROM candles WHERE symbol = $1 AND interval = $2 ORDER BY time DESC LIMIT 1
