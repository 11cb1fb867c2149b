-- Minutes of a symbol in [start, end) that came from a file or another exchange, ascending.
SELECT time FROM candles
WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3 AND source LIKE 'import:%'
ORDER BY time
