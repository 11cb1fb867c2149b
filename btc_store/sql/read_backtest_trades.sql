-- The trades of a backtest, ascending.
SELECT seq, side, entry_time, entry_price, exit_time, exit_price, quantity, pnl, fees, return, exit_reason, funding, mae,
       mfe, missing_minutes
FROM backtest_trades WHERE backtest_id = $1::uuid ORDER BY seq
