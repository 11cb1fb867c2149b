-- The minutes in [start, end) that are stored or known to be without trades, ascending.
SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
UNION ALL
SELECT minute FROM no_trade_minutes($1, $2, $3) AS minute
ORDER BY time
