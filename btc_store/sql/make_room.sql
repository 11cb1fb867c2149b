-- Delete the minutes of a symbol ($1) in [$2, $3) that incoming holds in a newer version: written later, or of a later
-- revision, or confirmed since. A confirmed minute gives way to no provisional one.
WITH older AS (
  DELETE FROM candles AS stored USING incoming
  WHERE stored.symbol = $1 AND stored.interval = '1m' AND stored.time >= $2 AND stored.time < $3
    AND incoming.time = stored.time
    AND (incoming.ingested_at, incoming.revision, incoming.state = 'confirmed')
        > (stored.ingested_at, stored.revision, stored.state = 'confirmed')
    AND NOT (stored.state = 'confirmed' AND incoming.state = 'provisional')
  RETURNING 1
)
SELECT count(*) AS n FROM older
