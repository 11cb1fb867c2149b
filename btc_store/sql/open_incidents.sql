-- Incidents that are not over, the oldest first.
SELECT id, kind, subject, severity, started_at, noticed_at, seen_at, told_at, ended_at, size, details::text
FROM incidents WHERE ended_at IS NULL ORDER BY id
