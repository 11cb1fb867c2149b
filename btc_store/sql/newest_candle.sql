-- Open time of the newest candle of a symbol and interval; whether it came from a file or another exchange.
SELECT time, source LIKE 'import:%' AS is_import FROM candles WHERE symbol = $1 AND interval = $2 ORDER BY time DESC LIMIT 1
