-- A page of backtests, the newest first, of a strategy ($1), symbol ($2), interval ($3) and status ($4), where they are given, behind a place ($5, $6). One that nobody computes any more has failed.
SELECT id, strategy, symbol, interval, start_time, end_time, seen.status, progress, coalesce(fault, error) AS error, config,
       results, created_at, finished_at, run_id, EXISTS (SELECT FROM backtest_reports WHERE backtest_id = id) AS has_report
FROM backtest_runs AS run CROSS JOIN LATERAL (SELECT backtest_fault(id, run.status) AS fault) AS looked
     CROSS JOIN LATERAL (SELECT CASE WHEN fault IS NULL THEN run.status ELSE 'failed' END AS status) AS seen
WHERE ($1::text IS NULL OR strategy = $1) AND ($2::text IS NULL OR symbol = $2)
  AND ($3::text IS NULL OR interval = $3) AND ($4::text IS NULL OR seen.status = $4)
  AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))
ORDER BY created_at DESC, id DESC LIMIT $7
