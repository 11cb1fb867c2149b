-- Close the findings of live decisions that are the newest word again, among the candles that were decided on now.
UPDATE data_quality AS old SET resolved_at = now()
WHERE symbol = $1 AND interval = $2 AND kind = 'correction' AND details ->> 'strategy' = $3
  AND resolved_at IS NULL AND kind <> 'quarantined' AND start_time IN (SELECT time FROM incoming)
  AND NOT EXISTS (
    SELECT FROM (
      SELECT revision, jsonb_agg(jsonb_build_array(seq, signal, exposure) ORDER BY seq) AS words FROM decisions
      WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time = old.start_time
      GROUP BY revision) AS said
    HAVING (array_agg(words ORDER BY revision))[1] <> (array_agg(words ORDER BY revision DESC))[1])
