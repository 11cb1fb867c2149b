-- Delete the rates of a symbol ($1) in [$2, $3) that came from a file and that incoming holds as the exchange said them:
-- the same hour, however it is stamped.
WITH worse AS (
  DELETE FROM funding AS stored USING incoming
  WHERE stored.symbol = $1 AND stored.time >= $2 AND stored.time < $3 AND stored.source LIKE 'import:%'
    AND incoming.source NOT LIKE 'import:%'
    AND date_bin('1 hour', incoming.time, timestamptz 'epoch') = date_bin('1 hour', stored.time, timestamptz 'epoch')
  RETURNING 1
)
SELECT count(*) AS n FROM worse
