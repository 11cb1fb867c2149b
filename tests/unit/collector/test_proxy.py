"""Which proxy leads to the exchange."""

import httpx
import pytest

from btc_core.errors import ConfigError
from collector.proxy import proxy_for

VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "WSS_PROXY", "WS_PROXY", "SOCKS_PROXY")
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Nothing of this machine's own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("environ", "secure", "plain"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": ""}, None, None),
        ({"HTTPS_PROXY": PROXY}, PROXY, None),
        ({"https_proxy": PROXY}, PROXY, None),
        ({"HTTP_PROXY": PROXY}, None, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY, PROXY),
        ({"ALL_PROXY": "http://other:1", "HTTPS_PROXY": PROXY}, PROXY, "http://other:1"),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "exchange.example"}, None, None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "elsewhere.example"}, PROXY, PROXY),
    ],
)
def test_the_stream_takes_the_proxy_that_requests_take(monkeypatch, environ, secure, plain):
    """By the usual variables, in either case of letters; httpx is asked for its own choice too."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert (proxy_for("wss://exchange.example/ws"), proxy_for("ws://exchange.example:81/ws")) == (secure, plain)
    with httpx.Client() as client:
        for url, chosen in (("https://exchange.example/info", secure), ("http://exchange.example:81/info", plain)):
            pool = client._transport_for_url(httpx.URL(url))._pool
            assert (getattr(pool, "_proxy_url", None) is not None) == (chosen is not None)


@pytest.mark.parametrize("proxy", ["socks5://me:word@proxy:1080", "proxy:3128"])
def test_another_kind_of_proxy_is_refused_without_showing_it(monkeypatch, proxy):
    """The address may hold a password."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigError, match="expected http://host:port, found another kind") as refused:
        proxy_for("wss://exchange.example/ws")
    assert proxy not in str(refused.value)
