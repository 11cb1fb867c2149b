-- Keep a message and to whom it goes; one whose key is known was said already.
WITH message AS (
  INSERT INTO alert_messages (key, kind, severity, title, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (key) DO NOTHING
  RETURNING id
), delivery AS (
  INSERT INTO alert_deliveries (message_id, channel) SELECT id, unnest($7::text[]) FROM message
)
SELECT id FROM message
