-- Say why a backtest did not come to its end: it failed, or somebody cancelled it.
UPDATE backtest_runs SET status = $2, error = $3, finished_at = clock_timestamp()
WHERE id = $1::uuid AND status = 'running'
