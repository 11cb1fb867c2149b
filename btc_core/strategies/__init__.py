"""One strategy a file, with one constant ``STRATEGY``, found by its file name."""
