-- Keep a state of a paper account; twice is once.
INSERT INTO paper_checkpoints (strategy, symbol, interval, through, state)
SELECT $1, $2, $3, $4, $5::json
ON CONFLICT DO NOTHING
