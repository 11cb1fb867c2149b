-- The paper accounts on a symbol ($1), with a digest.
SELECT strategy, symbol, interval, 1::bigint AS n_rows, md5(paper_accounts::text) AS digest
FROM paper_accounts WHERE symbol = $1 ORDER BY 1, 2, 3
