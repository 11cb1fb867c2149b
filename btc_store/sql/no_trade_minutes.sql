-- The minutes of a symbol in [start, end) that are not stored and known to be without trades, ascending.
SELECT minute AS time FROM no_trade_minutes($1, $2, $3) AS minute ORDER BY minute
