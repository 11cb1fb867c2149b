-- Note a backtest that a run is going to compute; one that is known already stays as it is.
INSERT INTO backtest_runs (id, strategy, symbol, interval, start_time, end_time, status, config, run_id)
VALUES ($1::uuid, $2, $3, $4, $5, $6, 'queued', $7::jsonb, $8)
ON CONFLICT (id) DO NOTHING
