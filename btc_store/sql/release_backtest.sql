-- Say that this session computes a backtest no longer.
SELECT pg_advisory_unlock(backtest_lock($1::uuid)) AS was_held
