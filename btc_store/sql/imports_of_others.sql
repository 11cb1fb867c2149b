-- Which other imports than $4 lie in [start, end), each with its first and last minute there.
SELECT source, min(time) AS first, max(time) AS last
FROM candles
WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3 AND source LIKE 'import:%' AND source <> $4
GROUP BY source ORDER BY first
