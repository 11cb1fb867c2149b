-- The stored minutes next to a range, on both sides (null: none): a gap may reach over the range's ends.
SELECT (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time < $2 ORDER BY time DESC LIMIT 1) AS before,
       (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $3 ORDER BY time LIMIT 1) AS after
