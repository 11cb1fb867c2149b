-- Minutes of a symbol in [start, end) whose stored values were replaced, ascending. An import that gave way is none.
SELECT time, count(*) AS n_revisions
FROM candle_revisions
WHERE symbol = $1 AND time >= $2 AND time < $3 AND reason <> 'imported'
GROUP BY time
ORDER BY time
