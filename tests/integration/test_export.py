"""``/api/v1/export/csv`` against the stored minutes."""

import csv
import io


async def test_a_file_of_candles(http, market):
    """CSV with the header that `btc import` reads; every row of the range."""
    minutes = market[1]
    answer = await http.get("/api/v1/export/csv?interval=1m")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="BTC-1m.csv"' in answer.headers["content-disposition"]
    assert [float(row["close"]) for row in rows] == minutes["close"].to_list()
    assert rows[0]["time"] == "2025-02-10T00:00:00Z"
    assert (await http.get("/api/v1/export/csv?start=2030-01-01")).text.count("\n") == 1
