-- Paper accounts: what each is worth, and what it began with.
SELECT strategy, symbol, interval, equity, (config ->> 'capital')::float8 AS capital, exposure
FROM paper_accounts ORDER BY strategy, symbol, interval
