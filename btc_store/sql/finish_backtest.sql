-- Keep the figures of a backtest that is done; no row where it was cancelled or deleted meanwhile.
UPDATE backtest_runs SET status = 'finished', results = $2::jsonb, progress = 1, finished_at = clock_timestamp()
WHERE id = $1::uuid AND status = 'running'
