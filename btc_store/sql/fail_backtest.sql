-- Say why a backtest failed.
UPDATE backtest_runs SET status = 'failed', error = $2, finished_at = clock_timestamp() WHERE id = $1::uuid
