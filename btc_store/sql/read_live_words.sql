-- What a strategy says live on the candles that open in [start, end), the newest revision of each, ascending; with what
-- it rests on. `accounted` are the minutes that the candle had, or that were known to be without trades.
SELECT time, signal, confidence, exposure, price, code_version, data_revision, parameters::text AS parameters,
       (indicator_snapshot ->> 'minutes')::bigint + coalesce((indicator_snapshot ->> 'no_trade_minutes')::bigint, 0)
         AS accounted
FROM (
  SELECT *, max(revision) OVER (PARTITION BY time) AS newest FROM decisions
  WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time >= $4 AND time < $5) AS said
WHERE revision = newest
ORDER BY time, seq
