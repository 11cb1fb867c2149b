-- The newest finished backtest of a fingerprint, and whether its page is kept.
SELECT id::text AS id, results::text AS results, config ->> 'data_version' AS digest,
       (config ->> 'data_revision')::timestamptz AS newest, finished_at, run_id,
       EXISTS (SELECT FROM backtest_reports WHERE backtest_id = id) AS has_report
FROM backtest_runs WHERE fingerprint = $1 AND status = 'finished' AND id <> $2::uuid
ORDER BY finished_at DESC LIMIT 1
