-- The oldest reports after $1, at most $2.
SELECT id, kind, asset_key, check_name, partition, passed, severity, metadata::text AS metadata, created_at
FROM outbox WHERE id > $1 ORDER BY id LIMIT $2
