-- The newest earlier state of a paper account that is no later than a time.
SELECT state::text AS state FROM paper_checkpoints
WHERE strategy = $1 AND symbol = $2 AND interval = $3 AND through <= $4 ORDER BY through DESC LIMIT 1
