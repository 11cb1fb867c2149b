-- Keep the trades of a backtest under another id, too.
INSERT INTO backtest_trades (backtest_id, seq, side, entry_time, entry_price, exit_time, exit_price, quantity, pnl, fees,
                             return, exit_reason, funding, mae, mfe, missing_minutes)
SELECT $2::uuid, seq, side, entry_time, entry_price, exit_time, exit_price, quantity, pnl, fees, return, exit_reason,
       funding, mae, mfe, missing_minutes
FROM backtest_trades WHERE backtest_id = $1::uuid
