-- Forget the trades of a paper account from a number on: they are replayed.
DELETE FROM paper_trades WHERE strategy = $1 AND symbol = $2 AND interval = $3 AND seq >= $4
