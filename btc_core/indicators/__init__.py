"""One indicator a file, with one constant ``INDICATOR``, found by its file name."""
