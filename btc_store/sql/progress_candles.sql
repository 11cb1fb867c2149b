-- For people who watch: how many candles of some intervals there are since a time, the first and the last.
SELECT interval, count(*) AS n, min(time) AS first, max(time) AS last FROM candles
WHERE symbol = $1 AND interval = ANY($2) AND time >= $3
GROUP BY interval
