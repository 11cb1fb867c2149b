-- Say of a backtest that was not begun that it will not be, and why: it failed, or its run was cancelled.
UPDATE backtest_runs SET status = $2, error = $3, finished_at = clock_timestamp()
WHERE id = $1::uuid AND status = 'queued'
