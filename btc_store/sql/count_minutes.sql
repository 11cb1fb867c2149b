-- How many minutes of a symbol in [start, end) are stored or known to be without trades: those that nobody waits for.
SELECT (SELECT count(*) FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3)
       + (SELECT count(*) FROM no_trade_minutes($1, $2, $3))
