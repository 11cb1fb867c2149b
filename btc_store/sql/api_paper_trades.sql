-- A page of the trades of a paper account ($1, $2, $3) that are over behind number $4, ascending, or before it, descending ($5); $6 at most.
SELECT seq, side, entry_time, entry_price, exit_time, exit_price, quantity, pnl, fees, return, exit_reason, funding,
       mae, mfe, missing_minutes
FROM paper_trades
WHERE strategy = $1 AND symbol = $2 AND interval = $3
  AND ($4::integer IS NULL OR CASE WHEN $5::boolean THEN seq < $4 ELSE seq > $4 END)
ORDER BY CASE WHEN $5 THEN -seq ELSE seq END LIMIT $6
