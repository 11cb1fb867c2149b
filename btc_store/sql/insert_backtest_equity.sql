-- Keep the equity curve of a backtest.
INSERT INTO backtest_equity (backtest_id, time, equity, drawdown, exposure)
SELECT $1::uuid, time, equity, drawdown, exposure FROM incoming
