-- A channel has taken something.
INSERT INTO alert_channels (name, sent_at) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET n_failed = 0, next_at = NULL, error = NULL, sent_at = excluded.sent_at
