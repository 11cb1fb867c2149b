-- What a strategy says live of a symbol and interval in [start, end): the newest revision of each candle, ascending.
SELECT time, seq, signal, confidence, exposure, price, revision
FROM (
  SELECT *, max(revision) OVER (PARTITION BY time) AS newest FROM decisions
  WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time >= $4 AND time < $5) AS said
WHERE revision = newest
ORDER BY time, seq
