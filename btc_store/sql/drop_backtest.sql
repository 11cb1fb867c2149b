-- Forget a backtest.
DELETE FROM backtest_runs WHERE id = $1::uuid
