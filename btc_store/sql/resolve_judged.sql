-- Close the open findings of checks that lie in what was judged and are found no more. Where two checks found the same
-- thing, each has a word of its own in the details: only the word goes, and with the last one the finding.
WITH healed AS (
  SELECT old.id, bool_or(judged.word = '') AS is_alone, array_agg(judged.word) AS words
  FROM judged JOIN data_quality AS old
    ON old.symbol = $1 AND old.interval = judged.interval AND old.kind = judged.kind
   AND old.start_time < judged.end_time AND coalesce(old.end_time, 'infinity') > judged.start_time
   AND CASE judged.word WHEN '' THEN old.details ->> 'strategy' IS NULL ELSE old.details ? judged.word END
  WHERE old.resolved_at IS NULL AND old.kind <> 'quarantined' AND NOT EXISTS (
    SELECT FROM incoming
    WHERE incoming.interval = old.interval AND incoming.kind = old.kind AND incoming.word = judged.word
      AND incoming.start_time = old.start_time AND incoming.end_time IS NOT DISTINCT FROM old.end_time)
  GROUP BY old.id
), rest AS (
  SELECT id, is_alone OR details - words = jsonb_build_object() AS is_over, details - words AS details
  FROM healed JOIN data_quality USING (id)
)
UPDATE data_quality AS old
SET resolved_at = CASE WHEN rest.is_over THEN now() END,
    details = CASE WHEN rest.is_over THEN old.details ELSE rest.details END
FROM rest WHERE old.id = rest.id
