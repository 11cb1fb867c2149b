-- Live decisions since an instant that changed the exposure, by strategy, symbol and interval, with the newest.
SELECT strategy, symbol, interval, count(DISTINCT time) AS n_decisions,
       (array_agg(signal ORDER BY time DESC, revision DESC, seq DESC))[1] AS signal
FROM decisions
WHERE backtest_id IS NULL AND signal <> 'HOLD' AND decided_at >= $1
GROUP BY strategy, symbol, interval ORDER BY strategy, symbol, interval
