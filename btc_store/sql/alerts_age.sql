-- How long ago whoever sends alerts has looked, seconds by the server's clock.
SELECT extract(epoch FROM clock_timestamp() - looked_at)::float8 FROM alert_state
