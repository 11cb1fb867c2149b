-- Open times of the stored minutes in [start, end], ascending.
SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time <= $3 ORDER BY time
