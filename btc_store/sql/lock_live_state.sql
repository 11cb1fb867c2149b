-- What the live lane remembers, for whoever changes it: a second lane waits. The time is from before any later look.
SELECT state::text AS state, serves, clock_timestamp() AS looked_at FROM live_state FOR UPDATE
