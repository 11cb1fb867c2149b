-- One derivation of a symbol at a time, so that a run that read older minutes cannot write over a newer one's result.
SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtext('derive ' || $1))) AS held
