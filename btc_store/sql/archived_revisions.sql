-- The months of kept revisions of a symbol ($1) in [$2, $3); they are only added to.
SELECT to_char(date_trunc('month', time AT TIME ZONE 'UTC'), 'YYYY-MM') AS month, count(*) AS n_rows,
       concat_ws(' ', count(*), extract(epoch FROM max(replaced_at))) AS digest
FROM candle_revisions WHERE symbol = $1 AND time >= $2 AND time < $3
GROUP BY 1 ORDER BY 1
