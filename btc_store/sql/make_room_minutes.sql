-- Delete the minutes of a symbol ($1) in [$2, $3) that incoming holds in a better version: the exchange's before an
-- import, as everywhere (upsert_minutes), the confirmed one before the provisional one, then the one written later, then
-- the later revision. So it does not matter which of two versions is the stored one.
WITH worse AS (
  DELETE FROM candles AS stored USING incoming
  WHERE stored.symbol = $1 AND stored.interval = '1m' AND stored.time >= $2 AND stored.time < $3
    AND incoming.time = stored.time
    AND (incoming.source NOT LIKE 'import:%', incoming.state = 'confirmed', incoming.ingested_at, incoming.revision)
        > (stored.source NOT LIKE 'import:%', stored.state = 'confirmed', stored.ingested_at, stored.revision)
  RETURNING 1
)
SELECT count(*) AS n FROM worse
