-- The first and the last stored settlement of a symbol, null where there is none.
SELECT min(time) AS first, max(time) AS last FROM funding WHERE symbol = $1
