-- The months of funding of a symbol ($1) in [$2, $3), with a digest: rates may be replaced by the exchange's own.
SELECT to_char(date_trunc('month', time AT TIME ZONE 'UTC'), 'YYYY-MM') AS month, count(*) AS n_rows,
       md5(string_agg(funding::text, ',' ORDER BY time)) AS digest
FROM funding WHERE symbol = $1 AND time >= $2 AND time < $3
GROUP BY 1 ORDER BY 1
