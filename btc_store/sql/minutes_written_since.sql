-- Minutes of a symbol in [start, end) that were written at or after an instant, ascending.
SELECT time FROM candles
WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3 AND ingested_at >= $4
ORDER BY time
