-- Close the open conflicts of a symbol that touch [start, end) and in which no minute is in doubt any more.
UPDATE data_quality AS finding SET resolved_at = now()
WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind = 'conflict'
  AND kind IN ('no_trade', 'unrecoverable', 'conflict') AND end_time > $2 AND start_time < $3
  AND NOT EXISTS (
    SELECT FROM candles AS stored WHERE stored.symbol = $1 AND stored.interval = '1m' AND stored.state = 'provisional'
      AND stored.time >= finding.start_time AND stored.time < finding.end_time)
