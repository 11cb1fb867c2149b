-- The exchange's terms of all coins and which coin is which symbol, one part, with a digest.
SELECT (SELECT count(*) FROM instruments) + (SELECT count(*) FROM symbol_coins) AS n_rows,
       md5(concat((SELECT string_agg(instruments::text, ',' ORDER BY symbol) FROM instruments), '|',
                  (SELECT string_agg(symbol_coins::text, ',' ORDER BY symbol) FROM symbol_coins))) AS digest
