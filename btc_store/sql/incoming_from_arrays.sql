-- Candles given as arrays, one per column: put before upsert_minutes.
WITH incoming AS (
  SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[],
                       $7::float8[], $8::integer[], $9::text[], $10::text[])
    AS t(time, symbol, open, high, low, close, volume, trades, source, state)
)
