-- Delete indicator values at times where there is none any more.
DELETE FROM indicators USING incoming
WHERE indicators.symbol = $1 AND indicators.interval = $2
  AND indicators.indicator_name = incoming.indicator_name AND indicators.time = incoming.time
