-- The newest stored minute before a time; no row where there is none.
SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time < $2 ORDER BY time DESC LIMIT 1
