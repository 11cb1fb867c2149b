-- Ten-second slices of ingested_at since $1: how many rows they hold, how many of those were there to be read at $2
-- already, and how many have left since because they were corrected. A transaction that was committed late shows as
-- rows behind $2 that are more than were read less than have left.
WITH stored AS (
  SELECT symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint AS slice, count(*) AS n_rows,
         count(*) FILTER (WHERE ingested_at <= $2) AS n_behind, max(ingested_at) AS newest
  FROM candles WHERE interval = '1m' AND ingested_at >= $1
  GROUP BY 1
), corrected AS (
  SELECT symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint AS slice, count(*) AS n_left
  FROM candle_revisions WHERE replaced_at > $2 AND ingested_at >= $1 AND ingested_at <= $2
  GROUP BY 1
)
SELECT slice, n_rows, n_behind + coalesce(n_left, 0) AS n_read, newest
FROM stored LEFT JOIN corrected USING (slice)
