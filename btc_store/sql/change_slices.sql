-- Ten-second slices of time since $1: how many writes of minutes they hold, how many of those were there to be read at $2
-- already, and how many have left since because they were corrected. A transaction that was committed late shows as
-- writes behind $2 that are more than were read less than have left. A minute counts once for each revision: one that
-- was corrected within its slice by a late transaction would not show in the number of rows. A word about minutes
-- without trades is a write too, and stays. What is dated after the present, since the clock was set back, is behind no
-- $2: its slice was read when it holds as many writes as then.
WITH writes AS (
  SELECT symbol, ingested_at AS at, revision + 1 AS n FROM candles WHERE interval = '1m' AND ingested_at >= $1
  UNION ALL
  SELECT symbol, noted_at, 1 FROM no_trade_changes WHERE noted_at >= $1
), stored AS (
  SELECT symbol || '|' || floor(extract(epoch FROM at) / 10)::bigint AS slice, sum(n) AS n_writes,
         coalesce(sum(n) FILTER (WHERE at <= $2), 0) AS n_behind, max(at) AS newest
  FROM writes
  GROUP BY 1
), corrected AS (
  SELECT symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint AS slice, sum(revision + 1) AS n_left
  FROM candle_revisions WHERE replaced_at > $2 AND ingested_at >= $1 AND ingested_at <= $2
  GROUP BY 1
)
SELECT slice, n_writes, newest, clock_timestamp() AS clock,
       CASE WHEN newest > clock_timestamp() THEN n_writes ELSE n_behind + coalesce(n_left, 0) END AS n_read
FROM stored LEFT JOIN corrected USING (slice)
