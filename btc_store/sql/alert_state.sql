-- What the last look knew.
SELECT decided_through, extract(epoch FROM clock_timestamp() - looked_at)::float8 AS age_seconds FROM alert_state
