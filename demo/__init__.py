"""The demo exchange: a scriptable server that speaks the exchange's protocol, and the markets it plays."""
