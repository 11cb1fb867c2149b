-- How many processes but our own ($1: the name of our sessions) collect into this database.
SELECT count(DISTINCT application_name) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'btc-collector%' AND application_name <> $1
