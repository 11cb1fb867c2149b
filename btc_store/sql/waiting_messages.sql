-- Messages that wait for a channel ($1), the oldest first; errors alone where $2. $3 at most.
SELECT id, kind, severity, title, body, created_at
FROM alert_deliveries JOIN alert_messages ON id = message_id
WHERE channel = $1 AND alert_deliveries.sent_at IS NULL AND (severity = 'error' OR NOT $2)
ORDER BY message_id LIMIT $3
