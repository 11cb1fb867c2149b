-- The newest stored minute of a symbol, if it is no older than an instant; whether it came from a file or elsewhere.
SELECT time, source LIKE 'import:%' AS is_import FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 ORDER BY time DESC LIMIT 1
