-- Keep up to when decisions have been told.
UPDATE alert_state SET decided_through = $1, looked_at = clock_timestamp()
