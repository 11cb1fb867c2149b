-- Of the states of a paper account keep the first of each hour of the last two days, of each day of two months, of each
-- month: what is corrected seldom lies far back, and is replayed from the one before it.
DELETE FROM paper_checkpoints AS old
WHERE strategy = $1 AND symbol = $2 AND interval = $3 AND EXISTS (
  SELECT FROM paper_checkpoints AS kept
  CROSS JOIN LATERAL (SELECT CASE WHEN old.through > $4 - interval '2 days' THEN 'hour'
                                  WHEN old.through > $4 - interval '60 days' THEN 'day' ELSE 'month' END AS unit) AS slot
  WHERE (kept.strategy, kept.symbol, kept.interval) = ($1, $2, $3) AND kept.through < old.through
    AND kept.through >= date_trunc(slot.unit, old.through, 'UTC'))
