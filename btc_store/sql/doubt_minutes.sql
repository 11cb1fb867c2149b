-- History lacks trades that these stored minutes of a symbol, all in [start, end), have seen: their values stay, and
-- they are in doubt.
UPDATE candles SET state = 'provisional'
WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3 AND time = ANY($4) AND state = 'confirmed'
