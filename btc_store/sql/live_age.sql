-- How long ago the live lane last looked, seconds by the server's clock.
SELECT extract(epoch FROM clock_timestamp() - looked_at)::float8 FROM live_state
