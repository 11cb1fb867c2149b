-- Delete indicator values of a symbol ($1) and an interval ($2) in [first, last] at times where there is none any more.
-- The bounds are for the planner: chunks of other times are neither looked at nor unpacked.
DELETE FROM indicators USING incoming
WHERE indicators.symbol = $1 AND indicators.interval = $2 AND indicators.time >= $3 AND indicators.time <= $4
  AND indicators.indicator_name = incoming.indicator_name AND indicators.time = incoming.time
