-- Whether there is any candle.
SELECT EXISTS (SELECT FROM candles)
