-- A page of the trades of a backtest ($1) behind number $2, ascending, or before it, descending ($3); $4 at most.
SELECT seq, side, entry_time, entry_price, exit_time, exit_price, quantity, pnl, fees, return, exit_reason, funding,
       mae, mfe, missing_minutes
FROM backtest_trades
WHERE backtest_id = $1 AND ($2::integer IS NULL OR CASE WHEN $3::boolean THEN seq < $2 ELSE seq > $2 END)
ORDER BY CASE WHEN $3 THEN -seq ELSE seq END LIMIT $4
