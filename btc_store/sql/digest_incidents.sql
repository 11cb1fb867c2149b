-- Incidents that were told: open now, or over since an instant.
SELECT kind, subject, severity, started_at, ended_at
FROM incidents WHERE told_at IS NOT NULL AND (ended_at IS NULL OR ended_at >= $1)
ORDER BY ended_at NULLS LAST, started_at
