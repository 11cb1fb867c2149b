-- The newest live decision of each of the strategies ($3) on a symbol and interval.
SELECT newest.time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot, parameters,
       revision, run_id, code_version, decided_at, data_revision
FROM unnest($3::text[]) AS wanted(name)
CROSS JOIN LATERAL (
  SELECT time FROM decisions
  WHERE symbol = $1 AND interval = $2 AND strategy = name AND backtest_id IS NULL
  ORDER BY time DESC LIMIT 1) AS newest
CROSS JOIN LATERAL (
  SELECT *, max(revision) OVER () AS last FROM decisions
  WHERE symbol = $1 AND interval = $2 AND strategy = name AND backtest_id IS NULL AND time = newest.time) AS said
WHERE revision = last
ORDER BY newest.time, strategy, seq
