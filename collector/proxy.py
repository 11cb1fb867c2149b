"""Which proxy leads to the exchange: what the environment's usual variables say, for the stream as for requests.

httpx reads ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` itself; websockets leaves ``ALL_PROXY`` out.
"""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from btc_core.errors import ConfigError

SUPPORTED = ("http", "https")


def proxy_for(url: str) -> str | None:
    """Return the proxy for the address of a stream, None where it is reached directly.

    Raises:
        ConfigError: If it is of a kind that we do not speak, such as SOCKS.
    """
    parts = urlsplit(url)
    if proxy_bypass(f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""):
        return None
    proxies = getproxies()
    kinds = ("wss", "https", "all") if parts.scheme == "wss" else ("ws", "http", "all")
    chosen = next((proxies[kind] for kind in kinds if kind in proxies), None)
    if chosen is not None and urlsplit(chosen).scheme not in SUPPORTED:
        raise unsupported()
    return chosen


def unsupported() -> ConfigError:
    """Return the sentence for a proxy of another kind; it does not show the address, which may hold a password."""
    return ConfigError(
        "the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: expected http://host:port, found another kind of address; "
        "SOCKS is not spoken"
    )
