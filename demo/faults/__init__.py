"""Faults that the demo exchange can have: thin layers over a server that is right without them."""
