-- The paper accounts of a strategy ($1), symbol ($2) and interval ($3), where they are given, and what each is worth at the newest minute's close.
SELECT strategy, symbol, interval, started_at, through, config, cash, equity, drawdown, exposure, wanted, quantity,
       entry_price, entry_time, price, n_trades, n_unfilled, fees, funding, n_restarts, updated_at,
       present_price, equity + moved AS present_equity,
       (equity + moved) / nullif((config ->> 'capital')::float8, 0) - 1 AS total_return,
       quantity * (present_price - entry_price) AS unrealized_pnl,
       present_price / first_open - 1 AS buy_and_hold_return
FROM paper_accounts AS account
CROSS JOIN LATERAL (
  SELECT coalesce((SELECT close FROM candles WHERE symbol = account.symbol AND interval = '1m'
                   ORDER BY time DESC LIMIT 1), price) AS present_price,
         (SELECT open FROM candles WHERE symbol = account.symbol AND interval = '1m' AND time >= account.started_at
          ORDER BY time LIMIT 1) AS first_open) AS market
CROSS JOIN LATERAL (SELECT quantity * coalesce(present_price - price, 0) AS moved) AS since
WHERE ($1::text IS NULL OR strategy = $1) AND ($2::text IS NULL OR symbol = $2)
  AND ($3::text IS NULL OR interval = $3)
