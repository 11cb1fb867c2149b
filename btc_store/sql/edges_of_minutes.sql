-- The first and the last stored minute of a symbol in [start, end), null where there is none.
SELECT (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
        ORDER BY time LIMIT 1) AS first,
       (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
        ORDER BY time DESC LIMIT 1) AS last
