-- The clock that the market runs on (BTC_CLOCK); real time is 0, 0, 1.
UPDATE market_clock SET sim = $1, real = $2, rate = $3 WHERE (sim, real, rate) IS DISTINCT FROM ($1, $2, $3)
