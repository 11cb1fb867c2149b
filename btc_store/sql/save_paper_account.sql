-- Save a paper account as it stands after the newest minute.
UPDATE paper_accounts AS account SET
  through = incoming.through, state = incoming.state::json, cash = incoming.cash, equity = incoming.equity,
  drawdown = incoming.drawdown, exposure = incoming.exposure, wanted = incoming.wanted, quantity = incoming.quantity,
  entry_price = incoming.entry_price, entry_time = incoming.entry_time, price = incoming.price,
  n_trades = incoming.n_trades, n_unfilled = incoming.n_unfilled, fees = incoming.fees, funding = incoming.funding,
  updated_at = now()
FROM incoming WHERE strategy = $1 AND symbol = $2 AND account.interval = $3
