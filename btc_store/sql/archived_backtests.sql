-- The backtests on a symbol ($1) that have come to an end, with a digest: a page may be kept later.
SELECT id::text AS id, 1::bigint AS n_rows,
       concat_ws(' ', status, extract(epoch FROM finished_at), fingerprint, extract(epoch FROM report.created_at)) AS digest
FROM backtest_runs LEFT JOIN backtest_reports AS report ON report.backtest_id = id
WHERE symbol = $1 AND status IN ('finished', 'failed', 'cancelled')
ORDER BY backtest_runs.created_at, id
