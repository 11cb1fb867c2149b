-- Keep what a sweep found; asked again by another figure, it finds anew.
UPDATE sweeps SET results = $2::jsonb, finished_at = clock_timestamp() WHERE fingerprint = $1
