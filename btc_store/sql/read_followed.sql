-- What a paper account has followed from a time on: when each decision was known, what it said, and the candle's close.
SELECT time, wanted, price FROM paper_equity WHERE strategy = $1 AND symbol = $2 AND interval = $3 AND time >= $4
ORDER BY time
