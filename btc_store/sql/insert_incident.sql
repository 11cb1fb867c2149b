-- Keep an incident that begins.
INSERT INTO incidents (kind, subject, severity, started_at, noticed_at, seen_at, told_at, ended_at, size, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb)
RETURNING id
