-- A page of the worth of a paper account ($1, $2, $3) at its decisions behind a time ($4), ascending; $5 at most.
SELECT time, equity, drawdown, exposure, wanted, price FROM paper_equity
WHERE strategy = $1 AND symbol = $2 AND interval = $3 AND ($4::timestamptz IS NULL OR time > $4)
ORDER BY time LIMIT $5
