-- The columns of a table that hold what was written, with their types, in order.
SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type
FROM pg_attribute
WHERE attrelid = to_regclass('public.' || $1) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
