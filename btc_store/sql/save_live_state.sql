-- Keep what the live lane remembers after a look at $3.
UPDATE live_state SET state = $1::jsonb, serves = $2, looked_at = $3
