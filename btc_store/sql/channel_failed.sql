-- A channel has failed so often in a row ($2); it is tried again at $3.
INSERT INTO alert_channels (name, n_failed, next_at, error) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET n_failed = excluded.n_failed, next_at = excluded.next_at, error = excluded.error
