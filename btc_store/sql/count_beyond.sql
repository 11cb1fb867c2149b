-- Let the numbers that a table ($1) counts in a column ($2) go on beyond a number ($3), and beyond what was counted.
SELECT setval(pg_get_serial_sequence('public.' || $1, $2), greatest($3::bigint, nextval(pg_get_serial_sequence('public.' || $1, $2)))) AS n
