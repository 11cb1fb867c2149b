-- Runs of consecutive 1m candles that were written after $2, or since $1 in one of the slices $3.
SELECT symbol, min(time) AS start, max(time) + interval '1 minute' AS "end", count(*) AS n_rows
FROM (
  SELECT symbol, time, time - row_number() OVER (PARTITION BY symbol ORDER BY time) * interval '1 minute' AS island
  FROM candles
  WHERE interval = '1m' AND ingested_at >= $1
    AND (ingested_at > $2 OR
         symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint = ANY (string_to_array($3, ',')))
) AS fresh
GROUP BY symbol, island
ORDER BY symbol, start
