-- One archive of a kind ($1) at a time writes to a lake, until its transaction ends.
SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtext('archive ' || $1::text))) AS held
