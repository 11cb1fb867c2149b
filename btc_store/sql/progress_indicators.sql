-- For people who watch: how many indicator values of some intervals there are since a time, and the newest of each.
SELECT DISTINCT ON (interval, indicator_name) interval, indicator_name AS name, time, value,
       count(*) OVER (PARTITION BY interval, indicator_name) AS n
FROM indicators
WHERE symbol = $1 AND interval = ANY($2) AND time >= $3
ORDER BY interval, indicator_name, time DESC
