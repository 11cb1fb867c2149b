-- What the live lane remembers, whether it looks at all, and the time.
SELECT state::text AS state, serves, looked_at, extract(epoch FROM clock_timestamp() - looked_at)::float8 AS age_seconds
FROM live_state
