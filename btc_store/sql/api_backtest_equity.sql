-- A page of the equity curve of a backtest ($1) behind a time ($2), ascending; $3 at most.
SELECT time, equity, drawdown, exposure FROM backtest_equity
WHERE backtest_id = $1 AND ($2::timestamptz IS NULL OR time > $2)
ORDER BY time LIMIT $3
