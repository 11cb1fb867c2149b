"""All I/O with stored data: settings, SQL, migrations, frames.

The row half (``settings``, ``connection``, ``candles``) needs asyncpg alone and is what the collector imports; the
frame half (``frames``, ``derive``, …) brings Polars and ADBC.
"""
