-- For people who watch: the backtests of a strategy that are over, oldest first.
SELECT id::text, interval, status, start_time, end_time, results, error FROM backtest_runs
WHERE symbol = $1 AND strategy = $2 AND status IN ('finished', 'failed') AND created_at >= $3
ORDER BY finished_at, id
