-- The page of a backtest, gzip.
SELECT html FROM backtest_reports WHERE backtest_id = $1
