-- Close the open findings that lie in a range and are found no more.
UPDATE data_quality AS old SET resolved_at = now()
WHERE symbol = $1 AND interval = $2 AND kind = $3 AND coalesce(details ->> 'strategy', '') = $4
  AND resolved_at IS NULL AND start_time < $6 AND end_time > $5
  AND NOT EXISTS (SELECT FROM incoming WHERE incoming.start_time = old.start_time AND incoming.end_time = old.end_time)
