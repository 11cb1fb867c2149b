-- Forget the states of a paper account after a time: they are replayed.
DELETE FROM paper_checkpoints WHERE strategy = $1 AND symbol = $2 AND interval = $3 AND through > $4
