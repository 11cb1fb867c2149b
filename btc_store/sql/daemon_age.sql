-- How long ago Dagster's daemon was last heard of, seconds by the server's clock.
SELECT extract(epoch FROM now() - max(timestamp))::float8 FROM dagster.daemon_heartbeats
