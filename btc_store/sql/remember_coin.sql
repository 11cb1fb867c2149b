-- Remember which coin of the exchange a symbol's minutes are collected from, and since when.
INSERT INTO symbol_coins AS known (symbol, coin) VALUES ($1, $2)
ON CONFLICT (symbol) DO UPDATE SET coin = excluded.coin, since = now() WHERE known.coin <> excluded.coin
