-- Keep the page of a backtest, which comes as base64 of its gzip.
INSERT INTO backtest_reports (backtest_id, html) VALUES ($1::uuid, decode($2, 'base64'))
ON CONFLICT (backtest_id) DO UPDATE SET html = excluded.html, created_at = clock_timestamp()
