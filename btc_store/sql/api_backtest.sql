-- A backtest; one that nobody computes any more has failed.
SELECT id, strategy, symbol, interval, start_time, end_time,
       CASE WHEN fault IS NULL THEN status ELSE 'failed' END AS status, progress, coalesce(fault, error) AS error, config,
       results, created_at, finished_at, run_id, EXISTS (SELECT FROM backtest_reports WHERE backtest_id = id) AS has_report
FROM backtest_runs CROSS JOIN LATERAL (SELECT backtest_fault(id, status) AS fault) AS seen
WHERE id = $1
