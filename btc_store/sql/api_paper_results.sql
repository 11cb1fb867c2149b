-- What a paper account ($1, $2, $3) has done since it was opened, in the words and by the formulas of a backtest's results.
SELECT win_rate, profit_factor, expectancy, avg_trade_return, coalesce(deepest, 0) AS max_drawdown,
       (held + coalesce(extract(epoch FROM through - entry_time), 0))::float8
         / nullif(extract(epoch FROM through - started_at), 0)::float8 AS exposure_time
FROM paper_accounts AS account
CROSS JOIN LATERAL (
  SELECT avg((pnl > 0)::int)::float8 AS win_rate,
         coalesce(sum(pnl) FILTER (WHERE pnl > 0), 0) / nullif(-sum(pnl) FILTER (WHERE pnl < 0), 0) AS profit_factor,
         avg(pnl) AS expectancy, avg(return) AS avg_trade_return,
         coalesce(sum(extract(epoch FROM exit_time - entry_time)), 0) AS held
  FROM paper_trades WHERE (strategy, symbol, interval) = (account.strategy, account.symbol, account.interval)) AS trades
CROSS JOIN LATERAL (
  SELECT max(drawdown) AS deepest
  FROM paper_equity WHERE (strategy, symbol, interval) = (account.strategy, account.symbol, account.interval)) AS curve
WHERE strategy = $1 AND symbol = $2 AND interval = $3
