-- Open a paper account. Nothing has happened in it; save_paper_account says the rest.
INSERT INTO paper_accounts (strategy, symbol, interval, started_at, through, config, state, cash, equity, drawdown,
                            exposure, wanted, quantity, n_trades, n_unfilled, fees, funding, n_restarts)
VALUES ($1, $2, $3, $4, $4, $5::jsonb, $6::json, $7, $7, 0, 0, 0, 0, 0, 0, 0, 0, $8)
