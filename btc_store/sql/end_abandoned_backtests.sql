-- Say of the backtests that nobody computes any more that they failed. Who begins one of them at this moment waits.
-- Materialized: each is judged once, before we hold its lock ourselves.
WITH abandoned AS MATERIALIZED (
  SELECT id, backtest_fault(id, status) AS fault FROM backtest_runs WHERE status IN ('queued', 'running')
)
UPDATE backtest_runs AS run SET status = 'failed', error = abandoned.fault, finished_at = clock_timestamp()
FROM abandoned
WHERE run.id = abandoned.id AND run.status IN ('queued', 'running') AND abandoned.fault IS NOT NULL
  AND pg_try_advisory_xact_lock(backtest_lock(abandoned.id))
