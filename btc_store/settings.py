"""``config.yaml`` and the environment, read once per process. Nothing else in the project reads ``os.environ``."""

import logging
import os
import re
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import yaml

from btc_core.config import Config, parse_config
from btc_core.errors import ConfigError, near_misses
from btc_core.model.clock import ClockScale, parse_clock
from btc_core.plugins import add_folder

logger = logging.getLogger(__name__)


class _Loader(yaml.SafeLoader):
    """YAML without numbers of base 60, 5:40:5 is a range and not 20405; and without a key that stands there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as in YAML
        first: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (before := first.setdefault(key.value, key)) is not key:
                raise ConfigError(
                    f"line {key.start_mark.line + 1}: the key {key.value} stands in line {before.start_mark.line + 1} "
                    "already. Put together what belongs to it"
                )
        return super().construct_mapping(node, deep)


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, re.compile("(?!.*:)" + each.pattern, each.flags) if tag in _NUMBERS else each) for tag, each in known]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

MAINNET_WS_URL = "wss://api.hyperliquid.xyz/ws"
MAINNET_API_URL = "https://api.hyperliquid.xyz/info"
MAINNET_HOST = "hyperliquid.xyz"
CONFIG_FILE = "config.yaml"
# Beside the configuration file, as the collector's folder.
LAKE, LAKE_CACHE = Path(".data/lake"), Path(".data/lake-cache")
_LAKE_SCHEMES = ("s3", "gs", "az")
# Events that Dagster stores with one statement; a run over ten years tells thousands.
_DAGSTER_EVENT_BATCH = "200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this process was told: the configuration, the addresses, the clock, the folders."""

    config: Config
    database_url: str
    ws_url: str
    api_url: str
    collector_port: int
    api_host: str
    api_port: int
    # Empty: writes are accepted from this machine only.
    api_token: str = field(repr=False)
    # Whom to tell: secrets, and read where something is sent.
    alert_urls: str = field(repr=False)
    dagster_url: str
    collector_url: str
    clock: ClockScale
    dagster_home: Path
    collector_folder: Path
    # A folder, or s3://bucket/prefix, gs://…, az://…: btc_store/lake_places.py.
    lake: str
    # What was fetched of a lake that is not on this machine.
    lake_cache: Path

    def now(self) -> datetime:
        """Return the present instant, on the scaled clock where ``BTC_CLOCK`` is set."""
        return self.clock.instant(time.time())

    @property
    def is_api_local(self) -> bool:
        """Whether the API listens for this machine alone."""
        return self.api_host == "localhost" or _is_loopback(self.api_host)

    @property
    def page_url(self) -> str:
        """The API's address as a browser on this machine takes it."""
        host = "127.0.0.1" if self.api_host in ("0.0.0.0", "::") else self.api_host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def shown_database(self) -> str:
        """The database's address without the password, for messages."""
        parts = urlsplit(self.database_url)
        return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read ``config.yaml`` (or the file that ``BTC_CONFIG`` names) and the environment.

    Raises:
        ConfigError: If the file cannot be read, or a key or a variable has a wrong value.
    """
    env = os.environ if environ is None else environ
    symbols = tuple(part.strip() for part in env.get("BTC_SYMBOLS", "").split(",") if part.strip())
    path = _config_path(env)
    config = read_config(path, symbols=symbols)
    if config.strategies_path is not None:
        _add_strategies(path.resolve().parent / config.strategies_path)
    settings = Settings(
        config=config,
        database_url=_database_url(env),
        ws_url=_url(env, "HYPERLIQUID_WS_URL", MAINNET_WS_URL, ("ws", "wss")),
        api_url=_url(env, "HYPERLIQUID_API_URL", MAINNET_API_URL, ("http", "https")),
        collector_port=_port(env, "COLLECTOR_HTTP_PORT", 8080),
        api_host=env.get("API_HOST") or "127.0.0.1",
        api_port=_port(env, "API_PORT", 8000),
        api_token=_secret(env, "API_TOKEN", "API_TOKEN_FILE"),
        alert_urls=_secret(env, "ALERT_URLS", "ALERT_URLS_FILE"),
        dagster_url=_url(env, "DAGSTER_URL", "http://127.0.0.1:3000", ("http", "https")).rstrip("/"),
        collector_url=_url(
            env, "COLLECTOR_URL", f"http://127.0.0.1:{_port(env, 'COLLECTOR_HTTP_PORT', 8080)}", ("http",)
        ),
        clock=parse_clock(env["BTC_CLOCK"]) if env.get("BTC_CLOCK") else ClockScale(),
        dagster_home=Path(env.get("DAGSTER_HOME") or project_root()),
        # Relative to the file that names it, so that it does not hang on where the process was started.
        collector_folder=path.resolve().parent / config.collector.state_folder,
        lake=lake_address(env["BTC_LAKE"], "BTC_LAKE") if env.get("BTC_LAKE") else str(path.resolve().parent / LAKE),
        lake_cache=path.resolve().parent / LAKE_CACHE,
    )
    if settings.clock != ClockScale():
        scale = settings.clock
        logger.warning(
            "scaled clock: time is not real", extra={"sim": scale.sim, "real": scale.real, "rate": scale.rate}
        )
    return settings


def names_database(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether the environment says which server holds the database; else the embedded one may be started."""
    env = os.environ if environ is None else environ
    return bool(env.get("DATABASE_URL") or env.get("DB_HOST"))


def let_dagster_batch_events() -> None:
    """Have Dagster store the events of many partitions together: it takes this switch from the environment alone."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _DAGSTER_EVENT_BATCH)


def read_config(path: Path, *, symbols: tuple[str, ...] = ()) -> Config:
    """Read one configuration file.

    Raises:
        ConfigError: If it cannot be read or parsed, or says something that cannot be meant.
    """
    try:
        tree: object = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
        return parse_config(tree, symbols=symbols)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}. BTC_CONFIG names the configuration file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def lake_address(text: str, name: str) -> str:
    """Return where a lake is: an object store's address as it is, or a folder, absolute.

    Args:
        text: What was given.
        name: Of the variable or option.

    Raises:
        ConfigError: If it is an address of another kind, or names no bucket.
    """
    scheme, is_address, rest = text.partition("://")
    if is_address and scheme == "file":
        text, is_address = rest, ""
    if not is_address:
        return str(Path(text).expanduser().absolute())
    if scheme not in _LAKE_SCHEMES:
        raise ConfigError(
            f"{name}={text!r}: expected a folder, or an address that begins with s3://, gs:// or az://. "
            f"{near_misses(scheme, _LAKE_SCHEMES)}"
        )
    if not rest.strip("/"):
        raise ConfigError(f"{name}={text!r}: expected a bucket after {scheme}://, such as {scheme}://my-bucket/btc")
    return text.rstrip("/")


def project_root() -> Path:
    """Return the folder that holds the packages and ``config.yaml``."""
    return Path(__file__).resolve().parent.parent


def _add_strategies(folder: Path) -> None:
    """Let the files of a folder be strategies beside the project's own; none of them is read yet."""
    if not folder.is_dir():
        raise ConfigError(f"strategies_path: expected a folder, found none at {folder}")
    add_folder("btc_core.strategies", str(folder))


def _config_path(env: Mapping[str, str]) -> Path:
    if env.get("BTC_CONFIG"):
        return Path(env["BTC_CONFIG"])
    here = Path(CONFIG_FILE)
    return here if here.exists() else project_root() / CONFIG_FILE


def _database_url(env: Mapping[str, str]) -> str:
    url = _database_address(env)
    host = _open_door(url, env)
    if host is not None:
        raise ConfigError(
            f"the database at {host} is not on this machine and no password for it is set: whoever reaches it would be "
            "in. Set DB_PASSWORD or DB_PASSWORD_FILE, or write it into DATABASE_URL"
        )
    return url


def _database_address(env: Mapping[str, str]) -> str:
    url = env.get("DATABASE_URL", "")
    if url:
        if not _has_scheme(url, ("postgresql", "postgres")):
            # The value is not shown: it holds a password.
            raise ConfigError(
                "DATABASE_URL: expected postgresql://user:password@host:port/name, with @ : / # in the password "
                "written as %40 %3A %2F %23"
            )
        return "postgresql" + url[url.index(":") :]
    user = quote(env.get("DB_USER") or "btc_bot", safe="")
    password = quote(_secret(env, "DB_PASSWORD", "DB_PASSWORD_FILE"), safe="")
    host, port, name = env.get("DB_HOST") or "localhost", _port(env, "DB_PORT", 5432), env.get("DB_NAME") or "btc_data"
    return f"postgresql://{user}{':' if password else ''}{password}@{host}:{port}/{quote(name, safe='')}"


def _open_door(url: str, env: Mapping[str, str]) -> str | None:
    """Return the host of a database elsewhere for which no password is given; libpq's own ways to give one count."""
    parts, options = urlsplit(url), dict(parse_qsl(urlsplit(url).query))
    host = options.get("host") or parts.hostname or env.get("PGHOST") or "localhost"
    if host == "localhost" or host.startswith("/") or _is_loopback(host):
        return None
    words = [parts.password, *(options.get(name) for name in ("password", "passfile", "sslcert", "service"))]
    words += [env.get(name) for name in ("PGPASSWORD", "PGPASSFILE", "PGSSLCERT")]
    return None if any(words) else host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(env: Mapping[str, str], name: str, file_name: str) -> str:
    """Return a secret, or what is in the file that another variable names: containers are given files."""
    file = env.get(file_name)
    if not file:
        return env.get(name, "")
    if env.get(name):
        raise ConfigError(f"{name} and {file_name} are both set: expected one of them")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"{file_name}={file!r}: cannot read it: {reason}") from None


def _url(env: Mapping[str, str], name: str, default: str, schemes: tuple[str, ...]) -> str:
    url = env.get(name) or default
    if not _has_scheme(url, schemes) or not urlsplit(url).hostname:
        raise ConfigError(f"{name}={url!r}: expected an address such as {default}")
    return url


def _has_scheme(url: str, schemes: tuple[str, ...]) -> bool:
    """Return whether the text is an address of one of these kinds; a port that is no number makes it none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and port != 0


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ConfigError(f"{name}={text!r}: expected a port number from 1 to 65535")
    return int(text)


def refuse_scaled_mainnet(settings: Settings) -> None:
    """Refuse to speak to the real exchange under a scaled clock; whoever opens a connection to it calls this.

    A scaled clock is for recordings. The pipeline, which never speaks to the exchange, is not refused over default
    addresses that it does not use.

    Raises:
        ConfigError: If the clock is scaled and an address is the exchange's own.
    """
    hosts = (urlsplit(settings.ws_url).hostname or "", urlsplit(settings.api_url).hostname or "")
    if settings.clock != ClockScale() and any(host.endswith(MAINNET_HOST) for host in hosts):
        raise ConfigError(
            "BTC_CLOCK is set and HYPERLIQUID_WS_URL or HYPERLIQUID_API_URL is the real exchange: "
            "unset BTC_CLOCK, or give the demo exchange's addresses"
        )
