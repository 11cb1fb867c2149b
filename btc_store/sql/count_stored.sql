-- How many 1m candles of a symbol open in [start, end).
SELECT count(*) FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
