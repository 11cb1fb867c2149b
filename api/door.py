"""Who may come in, and with how much: token, rates, sizes, headers."""

import hmac
import logging
from ipaddress import IPv4Address, IPv6Address, ip_address

from fastapi import Request

from api.errors import ApiError
from btc_store.settings import Settings

logger = logging.getLogger(__name__)

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# What a proxy adds. A request that came through one is not from this machine, whatever its address says.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


async def writer(request: Request) -> None:
    """Let a write pass: with the token, or from loopback where no token is set.

    Raises:
        ApiError: 401 for a missing or wrong token, 403 for a write from elsewhere while no token is set.
    """
    token = request.app.state.settings.api_token
    if token:
        given = request.headers.get("authorization", "")
        # A header is read as Latin-1, whatever the client meant by its bytes.
        if not hmac.compare_digest(given.encode("latin-1", "replace"), f"Bearer {token}".encode()):
            raise ApiError(
                401,
                "unauthorized",
                "This needs the token of this server.",
                hint="Send the header Authorization: Bearer <API_TOKEN>.",
                headers={"WWW-Authenticate": "Bearer"},
            )
    elif not _is_local(request):
        raise ApiError(
            403,
            "forbidden",
            "Without a token, writes are accepted from this machine only.",
            hint="Set API_TOKEN for the server, and send it as Authorization: Bearer <API_TOKEN>.",
        )


def warn_of_open_door(settings: Settings) -> None:
    """Say at the start what others may do where no token is set: read, and nothing else."""
    if not settings.api_token and not settings.is_api_local:
        logger.warning("no API_TOKEN is set: others may read, writes are accepted from this machine alone")


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return a client's address: IPv4 that came through a socket for both as what it is; None for what is none."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_local(request: Request) -> bool:
    """Return whether a request comes from this machine, and from a page of ours if from a page at all."""
    address = address_of(request.client.host) if request.client else None
    if address is None or not address.is_loopback:
        return False
    if any(name in request.headers for name in _FORWARDED):
        return False
    # A name that somebody else's DNS sends to 127.0.0.1 is not ours.
    if (request.url.hostname or "") not in _LOOPBACK_NAMES:
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{request.url.netloc}"
