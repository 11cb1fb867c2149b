-- Open a backtest.
INSERT INTO backtest_runs (id, strategy, symbol, interval, start_time, end_time, status, config)
VALUES ($1::uuid, $2, $3, $4, $5, $6, 'running', $7::jsonb)
