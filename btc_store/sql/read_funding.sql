-- The funding rates of a symbol that were settled in [start, end), ascending.
SELECT time, rate AS funding_rate FROM funding WHERE symbol = $1 AND time >= $2 AND time < $3 ORDER BY time
