-- Ten-second slices of ingested_at since $1: how many writes they hold, how many of those were there to be read at $2
-- already, and how many have left since because they were corrected. A transaction that was committed late shows as
-- writes behind $2 that are more than were read less than have left. A minute counts once for each revision: one that
-- was corrected within its slice by a late transaction would not show in the number of rows.
WITH stored AS (
  SELECT symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint AS slice, sum(revision + 1) AS n_writes,
         coalesce(sum(revision + 1) FILTER (WHERE ingested_at <= $2), 0) AS n_behind, max(ingested_at) AS newest
  FROM candles WHERE interval = '1m' AND ingested_at >= $1
  GROUP BY 1
), corrected AS (
  SELECT symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint AS slice, sum(revision + 1) AS n_left
  FROM candle_revisions WHERE replaced_at > $2 AND ingested_at >= $1 AND ingested_at <= $2
  GROUP BY 1
)
SELECT slice, n_writes, n_behind + coalesce(n_left, 0) AS n_read, newest
FROM stored LEFT JOIN corrected USING (slice)
