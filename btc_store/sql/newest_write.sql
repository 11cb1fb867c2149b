-- When the newest of the 1m candles of a symbol in [start, end) was written: which data somebody saw who read them.
SELECT max(ingested_at) AS data_revision FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3
