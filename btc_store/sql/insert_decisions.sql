-- Say decisions: the first word on a candle is revision 0; a word that differs from the newest one is the next
-- revision; the same word again is nothing, whatever data it rests on. What was said stays.
-- The stored words are looked up candle by candle, by index: a plan that joins the whole stream depends on statistics
-- that a freshly filled table does not have, and then compares every candle with every other.
WITH spoken AS (
  SELECT time, jsonb_agg(jsonb_build_array(seq, signal, confidence, exposure, price, indicator_snapshot::jsonb, $4::jsonb)
                         ORDER BY seq) AS words
  FROM incoming GROUP BY time
), news AS (
  SELECT spoken.time, coalesce(stored.revision + 1, 0) AS revision
  FROM spoken LEFT JOIN LATERAL (
    SELECT revision, jsonb_agg(jsonb_build_array(seq, signal, confidence, exposure, price, indicator_snapshot, parameters)
                               ORDER BY seq) AS words
    FROM decisions
    WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time = spoken.time
    GROUP BY revision ORDER BY revision DESC LIMIT 1) AS stored ON true
  WHERE stored.words IS DISTINCT FROM spoken.words
)
INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot,
                       parameters, revision, run_id, code_version, data_revision, decided_at)
SELECT time, $1, $2, $3, seq, signal, confidence, exposure, price, indicator_snapshot::jsonb,
       $4::jsonb, revision, $5, $6, data_revision, $7
FROM incoming JOIN news USING (time)
