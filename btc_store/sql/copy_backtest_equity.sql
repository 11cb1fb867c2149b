-- Keep the equity curve of a backtest under another id, too.
INSERT INTO backtest_equity (backtest_id, time, equity, drawdown, exposure)
SELECT $2::uuid, time, equity, drawdown, exposure FROM backtest_equity WHERE backtest_id = $1::uuid
