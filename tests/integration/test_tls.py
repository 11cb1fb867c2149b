"""The way to the exchange: certificates are verified, and a proxy is used, by the stream and by requests alike.

The demo exchange stands behind a relay that speaks TLS, with a certificate that this test's own authority signed.
"""

import asyncio
import datetime
import gc
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from btc_core.errors import ConfigError
from btc_core.model.timerange import MINUTE
from btc_store.settings import Settings
from collector.exchanges.hyperliquid import EXCHANGE
from collector.runner import collect
from tests.faulty import Play, Playing, play, said

# httpcore does not close a connection whose handshake is called off, as the end of a collector may do.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
HOST = "127.0.0.1"


def make_certificate(folder: Path, host: str) -> Path:
    """Write a self-signed certificate for an address, and its key behind it; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test of btc")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shape = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{host}.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*shape))
    return file


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until they end."""
    try:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Carry bytes both ways between a client and an address."""
    with suppress(OSError):
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(pump(reader, back), pump(there, writer))


@asynccontextmanager
async def listening(serve: Callable[..., object], context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on a free port; yields it."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Proxy:
    """Speaks CONNECT and nothing else; remembers to where."""

    targets: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target = head.split()[:2]
        self.targets.append(target)
        if method != "CONNECT":
            writer.write(b"HTTP/1.1 405 Only CONNECT\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        host, _, port = target.rpartition(":")
        await carry(reader, writer, host, int(port))


@pytest.fixture
def playing(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path) -> Playing:
    """A play on a database of its own."""
    return partial(play, database_url, settings_for, tmp_path, n_history=60)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """What a test has dropped is no warning in another one."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Nothing of this machine's own."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def behind_tls(one: Play, certificate: Path) -> AsyncIterator[Settings]:
    """Put relays that speak TLS before the play's exchange; yields settings that lead to them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with AsyncExitStack() as stack:
        urls: list[str] = []
        for url, scheme in ((one.settings.ws_url, "wss"), (one.settings.api_url, "https")):
            parts = urlsplit(url)
            relay = partial(carry, host=parts.hostname, port=parts.port)
            port = await stack.enter_async_context(listening(relay, context))
            urls.append(f"{scheme}://{HOST}:{port}{parts.path}")
        yield replace(one.settings, ws_url=urls[0], api_url=urls[1])


# Where each of the two says why it cannot be reached.
SAID = {"ws_url": ("connection ended", "detail"), "api_url": ("no list of markets yet", "reason")}


@dataclass(frozen=True)
class Wrong:
    """A certificate that must be refused: for which address it is, whether its signer is believed, what is said."""

    host: str
    is_believed: bool
    why: str


@pytest.mark.parametrize("address", SAID)
@pytest.mark.parametrize(
    "wrong",
    [Wrong(HOST, False, "CERTIFICATE_VERIFY_FAILED"), Wrong("192.0.2.7", True, "IP address mismatch")],
    ids=["nobody vouches for it", "it is another's"],
)
async def test_a_wrong_certificate_is_refused(playing, monkeypatch, caplog, address, wrong):
    """By the stream and by requests, and the log says why."""
    caplog.set_level("INFO")
    event, name = SAID[address]
    async with playing() as one:
        folder = one.settings.collector_folder.parent.parent
        certificate = make_certificate(folder, wrong.host)
        if wrong.is_believed:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with behind_tls(one, certificate) as secure:
            settings = replace(one.settings, **{address: getattr(secure, address)})
            async with one.collecting(settings):
                await one.until(lambda: said(caplog, event))
    assert wrong.why in getattr(said(caplog, event)[0], name)
    assert not said(caplog, "connected")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_stream_and_requests_go_through_a_proxy(playing, tmp_path, monkeypatch, variable):
    """All of it, with the certificate verified behind it: the proxy carries bytes and reads none."""
    certificate = make_certificate(tmp_path, HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    proxy = Proxy()
    async with playing() as one, behind_tls(one, certificate) as settings, listening(proxy.serve) as port:
        monkeypatch.setenv(variable, f"http://{HOST}:{port}")
        async with one.collecting(settings):
            await one.streams()
            await one.reached(one.start + MINUTE)
        assert {*proxy.targets} == {urlsplit(url).netloc for url in (settings.ws_url, settings.api_url)}


async def test_a_proxy_of_another_kind_is_refused_at_the_start(playing, monkeypatch):
    """One sentence, and no traceback of a library."""
    monkeypatch.setenv("ALL_PROXY", f"socks5://{HOST}:1080")
    async with playing() as one, asyncio.timeout(30):
        with pytest.raises(ConfigError, match="SOCKS is not spoken"):
            await collect(one.settings, EXCHANGE, asyncio.Event())
