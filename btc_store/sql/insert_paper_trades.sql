-- Keep trades of a paper account that are over.
INSERT INTO paper_trades (strategy, symbol, interval, seq, side, entry_time, entry_price, exit_time, exit_price, quantity,
                          pnl, fees, return, exit_reason, funding, mae, mfe, missing_minutes)
SELECT $1, $2, $3, seq, side, entry_time, entry_price, exit_time, exit_price, quantity, pnl, fees, return, exit_reason,
       funding, mae, mfe, missing_minutes
FROM incoming
