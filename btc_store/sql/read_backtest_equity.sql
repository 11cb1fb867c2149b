-- The equity curve of a backtest, ascending.
SELECT time, equity, drawdown, exposure FROM backtest_equity WHERE backtest_id = $1::uuid ORDER BY time
