-- Forget what changed before a time; one row stays for all that is gone, so that who asks for it is told to read anew.
WITH gone AS (
  DELETE FROM stream_changes WHERE noted_at < $1 RETURNING xid, channel, noted_at
), mark AS (
  INSERT INTO stream_changes (xid, channel, symbol, interval, n_rows, noted_at)
  SELECT xid, 'pruned', '', '', 0, noted_at FROM gone ORDER BY xid DESC LIMIT 1
)
SELECT count(*) FILTER (WHERE channel <> 'pruned') AS n_gone FROM gone
