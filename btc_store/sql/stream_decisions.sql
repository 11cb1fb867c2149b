-- What was said live of a symbol and interval at some times: the newest revision of each strategy, ascending.
SELECT time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot, parameters,
       revision, run_id, code_version, decided_at, data_revision
FROM (
  SELECT *, max(revision) OVER (PARTITION BY strategy, time) AS newest FROM decisions
  WHERE symbol = $1 AND interval = $2 AND backtest_id IS NULL AND time = ANY ($3::timestamptz[])) AS said
WHERE revision = newest
ORDER BY time, strategy, seq
