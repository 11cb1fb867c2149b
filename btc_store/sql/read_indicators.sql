-- Values of the indicators of a symbol and interval in [start, end), ascending.
SELECT time, indicator_name, value FROM indicators
WHERE symbol = $1 AND interval = $2 AND time >= $3 AND time < $4
ORDER BY time, indicator_name
