-- The exchange's terms of a symbol, no row where they are not known.
SELECT coin, sz_decimals::integer AS sz_decimals, max_leverage::float8 AS max_leverage FROM instruments WHERE symbol = $1
