"""The commands of ``btc``: one file each, named after the command, with the click command as ``COMMAND``.

``options`` and ``output`` hold what they share. Heavy libraries (Dagster, Polars) are imported inside the functions
that use them, so that ``btc --help`` and ``btc db status`` answer at once.
"""
