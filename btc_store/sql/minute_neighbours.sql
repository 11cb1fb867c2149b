-- The stored minutes next to a range ($2, $3), on both sides, looked for since $4 and until $5 (null: none there): a gap
-- may reach over the range's ends.
SELECT (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $4 AND time < $2
        ORDER BY time DESC LIMIT 1) AS before,
       (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $3 AND time < $5
        ORDER BY time LIMIT 1) AS after
