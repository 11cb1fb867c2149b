-- Which data somebody sees who reads the minutes of a symbol in [since, end), what is said of missing ones, and the
-- funding from a later instant on: when the newest minute was written, how many stand before that instant, and a digest
-- that differs where anything does.
-- Revisions are counted, because a transaction that is committed late may be dated before what was there.
WITH minutes AS (
  SELECT count(*) AS n, count(*) FILTER (WHERE time < $4) AS n_before, coalesce(sum(revision), 0) AS revisions, max(ingested_at) AS newest
  FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
), quiet AS (
  SELECT md5(string_agg(extract(epoch FROM greatest(start_time, $2)) || ' ' || extract(epoch FROM least(end_time, $3)),
                        ',' ORDER BY start_time, end_time)) AS digest
  FROM data_quality
  WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind = 'no_trade'
    -- as the index data_quality_minutes says it
    AND kind IN ('no_trade', 'unrecoverable', 'conflict') AND end_time > $2 AND start_time < $3
), paid AS (
  SELECT md5(string_agg(extract(epoch FROM time) || ' ' || rate, ',' ORDER BY time)) AS digest
  FROM funding WHERE symbol = $1 AND time >= $4 AND time < $3
)
SELECT newest, n_before,
       md5(concat_ws('|', n, revisions, extract(epoch FROM newest), coalesce(quiet.digest, '-'),
                     coalesce(paid.digest, '-'))) AS digest
FROM minutes, quiet, paid
