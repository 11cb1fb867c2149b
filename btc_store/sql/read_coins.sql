-- Which coin of the exchange each symbol's minutes were collected from.
SELECT symbol, coin FROM symbol_coins
