-- Closes of the stored minutes in [start, end) that are from another source than $4, ascending.
SELECT time, close, source
FROM candles
WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3 AND source <> $4
ORDER BY time
