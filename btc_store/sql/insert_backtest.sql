-- Begin a backtest, or one that was asked for under this id; one that is over or cancelled stays as it is.
INSERT INTO backtest_runs AS known (id, strategy, symbol, interval, start_time, end_time, status, config, run_id)
VALUES ($1::uuid, $2, $3, $4, $5, $6, 'running', $7::jsonb, $8)
ON CONFLICT (id) DO UPDATE SET
  strategy = excluded.strategy, symbol = excluded.symbol, interval = excluded.interval,
  start_time = excluded.start_time, end_time = excluded.end_time, status = 'running', config = excluded.config,
  run_id = excluded.run_id, progress = 0, error = NULL, finished_at = NULL
WHERE known.status IN ('queued', 'running', 'failed')
