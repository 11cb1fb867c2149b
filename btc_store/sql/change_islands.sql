-- Runs of consecutive minutes that changed after $2 and up to $4, or since $1 in one of the slices $3: that were written,
-- or are now known to be without trades, or are so no more. Findings are closed and opened again for what is left of them: what a
-- transaction took and gave back did not change. A minute may have changed both ways, so equal ones have one rank.
WITH fresh AS (
  SELECT symbol, time FROM candles
  WHERE interval = '1m' AND ingested_at >= $1
    AND (ingested_at > $2 AND ingested_at <= $4 OR
         symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint = ANY (string_to_array($3, ',')))
  UNION ALL
  SELECT symbol, minute
  FROM no_trade_changes CROSS JOIN LATERAL generate_series(
    date_bin('1 minute', start_time + interval '59.999999 seconds', timestamptz 'epoch'),
    least(end_time, date_trunc('minute', market_now())) - interval '1 microsecond', interval '1 minute') AS minute
  WHERE noted_at >= $1
    AND (noted_at > $2 AND noted_at <= $4 OR
         symbol || '|' || floor(extract(epoch FROM noted_at) / 10)::bigint = ANY (string_to_array($3, ',')))
  GROUP BY symbol, minute, noted_at HAVING sum(change) <> 0
)
SELECT symbol, min(time) AS start, max(time) + interval '1 minute' AS "end", count(*) AS n_rows
FROM (
  SELECT symbol, time, time - dense_rank() OVER (PARTITION BY symbol ORDER BY time) * interval '1 minute' AS island
  FROM fresh
) AS ranked
GROUP BY symbol, island
ORDER BY symbol, start
