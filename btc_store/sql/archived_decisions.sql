-- The months of live decisions on a symbol ($1) that open in [$2, $3); what was said stays, so they are only added to.
SELECT to_char(date_trunc('month', time AT TIME ZONE 'UTC'), 'YYYY-MM') AS month, count(*) AS n_rows,
       concat_ws(' ', count(*), sum(revision), extract(epoch FROM max(decided_at))) AS digest
FROM decisions WHERE symbol = $1 AND backtest_id IS NULL AND time >= $2 AND time < $3
GROUP BY 1 ORDER BY 1
