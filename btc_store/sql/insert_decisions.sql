-- Say decisions: the first word on a candle is revision 0; a word that differs from the newest one is the next
-- revision; the same word again is nothing. What was said stays.
WITH spoken AS (
  SELECT time, jsonb_agg(jsonb_build_array(seq, signal, confidence, exposure, price, indicator_snapshot::jsonb, $4::jsonb)
                         ORDER BY seq) AS words
  FROM incoming GROUP BY time
), newest AS (
  SELECT time, max(revision) AS revision FROM decisions
  WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL
    AND time >= (SELECT min(time) FROM incoming) AND time <= (SELECT max(time) FROM incoming)
  GROUP BY time
), stored AS (
  SELECT time, revision,
         jsonb_agg(jsonb_build_array(seq, signal, confidence, exposure, price, indicator_snapshot, parameters)
                   ORDER BY seq) AS words
  FROM decisions JOIN newest USING (time, revision)
  WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL
  GROUP BY time, revision
)
INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot,
                       parameters, revision, run_id, code_version, decided_at)
SELECT time, $1, $2, $3, seq, signal, confidence, exposure, price, indicator_snapshot::jsonb,
       $4::jsonb, coalesce(stored.revision + 1, 0), $5, $6, $7
FROM incoming JOIN spoken USING (time) LEFT JOIN stored USING (time)
WHERE stored.words IS NULL OR stored.words <> spoken.words
