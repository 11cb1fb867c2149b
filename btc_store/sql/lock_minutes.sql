-- One collector at a time writes the minutes of a symbol and what is said of them, until its transaction ends.
SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtext('minutes ' || $1::text))) AS held
