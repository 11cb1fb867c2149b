-- A backtest.
SELECT id, strategy, symbol, interval, start_time, end_time, status, progress, error, config, results, created_at,
       finished_at, run_id, EXISTS (SELECT FROM backtest_reports WHERE backtest_id = id) AS has_report
FROM backtest_runs WHERE id = $1
