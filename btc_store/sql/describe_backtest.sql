-- Say of a backtest under way what it rests on: its whole configuration, and the fingerprint of all that decides it.
UPDATE backtest_runs SET config = $2::jsonb, fingerprint = $3 WHERE id = $1::uuid AND status = 'running'
