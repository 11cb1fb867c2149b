"""Who may write."""

from types import SimpleNamespace

import pytest
from starlette.requests import Request

from api.door import warn_of_open_door, writer
from api.errors import ApiError


def request(*, client="127.0.0.1", token="", host="127.0.0.1:8000", **headers):
    """Return a request as a server hands it over."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": (client, 5000),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "app": SimpleNamespace(state=SimpleNamespace(settings=SimpleNamespace(api_token=token))),
    }
    return Request(scope)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"client": "::1", "host": "[::1]:8000"},
        {"client": "::ffff:127.0.0.1"},
        {"host": "localhost:8000", "origin": "http://localhost:8000"},
        {"token": "word", "authorization": "Bearer word"},
        {"token": "wört", "authorization": "Bearer wört"},
        {"token": "word", "authorization": "Bearer word", "client": "192.0.2.1", "host": "nas.local"},
    ],
)
async def test_it_opens(given):
    """To this machine without a token, to everybody with it."""
    assert await writer(request(**given)) is None


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"client": "192.0.2.1"}, 403),
        ({"client": "somebody"}, 403),
        ({"x_forwarded_for": "192.0.2.1"}, 403),
        ({"forwarded": "for=192.0.2.1"}, 403),
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"token": "word"}, 401),
        ({"token": "word", "authorization": "Bearer wrong"}, 401),
        ({"token": "word", "authorization": "word"}, 401),
        ({"token": "word", "authorization": "Bearer wört"}, 401),
    ],
)
async def test_it_stays_shut(given, status):
    """To a proxy's guests, to a name that DNS sends here, to a page of somebody else's, to a wrong word."""
    with pytest.raises(ApiError) as refused:
        await writer(request(**given))
    assert refused.value.status == status
    assert "word" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("environ", "is_said"),
    [
        ({"API_HOST": "0.0.0.0"}, True),
        ({"API_HOST": "::"}, True),
        ({"API_HOST": "nas.example"}, True),
        ({"API_HOST": "0.0.0.0", "API_TOKEN": "word"}, False),
        ({"API_HOST": "::1"}, False),
        ({}, False),
    ],
)
def test_a_door_that_is_open_to_others_is_said_at_the_start(settings_for, caplog, environ, is_said):
    """Reading is everybody's who reaches the address; writes are not."""
    warn_of_open_door(settings_for("postgresql://127.0.0.1/none", **environ))
    assert [record.levelname for record in caplog.records] == (["WARNING"] if is_said else [])
