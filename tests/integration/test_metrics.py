"""``/metrics``: what the API counts of itself."""

from prometheus_client.parser import text_string_to_metric_families

from tests.api_market import reading


async def test_requests_are_counted_by_route_and_status(settings_for, database_url):
    """Addresses that nobody knows are one route: nobody can fill the memory with them."""
    async with reading(settings_for(database_url)) as http:
        for path in ("/api/v1/candles", "/api/v1/candles?interval=x", "/nowhere/1", "/nowhere/2"):
            await http.get(path)
        text = (await http.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    counted = {tuple(s.labels.values()): s.value for s in samples if s.name == "btc_api_requests_total"}
    assert counted == {("/api/v1/candles", "200"): 1, ("/api/v1/candles", "422"): 1, ("other", "404"): 2}
    assert next(s.value for s in samples if s.name == "btc_api_streams") == 0
    assert any(s.name == "process_resident_memory_bytes" for s in samples)
