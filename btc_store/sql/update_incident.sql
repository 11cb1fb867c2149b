-- Keep what is known of an incident now.
UPDATE incidents SET severity = $2, started_at = $3, noticed_at = $4, seen_at = $5, told_at = $6, ended_at = $7, size = $8,
                     details = $9::jsonb
WHERE id = $1
