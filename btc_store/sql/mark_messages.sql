-- A channel ($1) has taken messages ($2).
UPDATE alert_deliveries SET sent_at = $3 WHERE channel = $1 AND message_id = ANY ($2::bigint[])
