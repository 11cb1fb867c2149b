"""The environment, variable by variable, and the file it points to."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from btc_core.errors import ConfigError
from btc_core.model.clock import ClockScale
from btc_core.plugins import plugin_names
from btc_store.settings import load_settings, names_database, project_root, read_config, refuse_scaled_mainnet

LOCAL = {"HYPERLIQUID_WS_URL": "ws://127.0.0.1:9000/ws", "HYPERLIQUID_API_URL": "http://127.0.0.1:9000/info"}
CLOCK = {"BTC_CLOCK": "1739491200,1790000000,60"}


def refusal(environ):
    """Return the sentence with which an environment is refused."""
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("environ", "is_named"),
    [
        ({}, False),
        ({"DATABASE_URL": ""}, False),
        ({"DB_NAME": "btc_data"}, False),
        ({"DB_HOST": "localhost"}, True),
        ({"DATABASE_URL": "postgresql://x:word@y/z"}, True),
    ],
)
def test_whether_a_database_server_is_named(environ, is_named):
    """Where none is, ``make up`` starts its own; the default's own name counts as named."""
    assert names_database(environ) is is_named


def test_an_empty_environment_gives_the_documented_defaults():
    """Nothing has to be set for a database on this machine and the real exchange."""
    settings = load_settings({})
    assert settings.database_url == "postgresql://btc_bot@localhost:5432/btc_data"
    assert settings.ws_url == "wss://api.hyperliquid.xyz/ws"
    assert settings.api_url == "https://api.hyperliquid.xyz/info"
    assert settings.collector_port == 8080
    assert settings.clock == ClockScale()
    assert list(settings.config.symbols) == ["BTC"]


def test_an_empty_variable_is_an_unset_one():
    """`.env` files leave names without values."""
    database = ("DATABASE_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD")
    others = (
        "HYPERLIQUID_WS_URL",
        "HYPERLIQUID_API_URL",
        "BTC_SYMBOLS",
        "BTC_CLOCK",
        "BTC_CONFIG",
        "COLLECTOR_HTTP_PORT",
    )
    assert load_settings(dict.fromkeys((*database, *others), "")) == load_settings({})


def test_the_database_is_put_together_from_its_parts():
    """Each DB_ variable is one part of the address."""
    environ = {"DB_HOST": "nas", "DB_PORT": "5433", "DB_NAME": "market", "DB_USER": "reader", "DB_PASSWORD": "word"}
    assert load_settings(environ).database_url == "postgresql://reader:word@nas:5433/market"


@pytest.mark.parametrize("password", ["p@ss:w/rd", "100%#?&=+", "ä ö", "a'b\"c\\d", "%41"])
def test_a_password_is_quoted(password):
    """Whatever characters a password, user or database has, it arrives as it is."""
    environ = {"DB_USER": f"u{password}", "DB_PASSWORD": password, "DB_NAME": f"n{password}"}
    parts = urlsplit(load_settings(environ).database_url)
    assert unquote(parts.password or "") == password
    assert unquote(parts.username or "") == f"u{password}"
    assert unquote(parts.path) == f"/n{password}"
    assert (parts.hostname, parts.port) == ("localhost", 5432)


def test_secrets_may_stand_in_files(tmp_path):
    """Containers are given them so; the line's end is not part of one."""
    (tmp_path / "db").write_text("p@ss word\n")
    (tmp_path / "api").write_text("token\n")
    settings = load_settings({"DB_PASSWORD_FILE": str(tmp_path / "db"), "API_TOKEN_FILE": str(tmp_path / "api")})
    assert unquote(urlsplit(settings.database_url).password or "") == "p@ss word"
    assert settings.api_token == "token"
    assert "token" not in repr(settings)


def test_a_secret_file_that_cannot_be_used_is_named(tmp_path):
    """Never its content."""
    missing = tmp_path / "missing"
    assert refusal({"DB_PASSWORD_FILE": str(missing)}) == (
        f"DB_PASSWORD_FILE={str(missing)!r}: cannot read it: No such file or directory"
    )
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "it is no text" in refusal({"API_TOKEN_FILE": str(tmp_path / "bytes")})
    both = {"API_TOKEN": "secret-word", "API_TOKEN_FILE": str(tmp_path / "bytes")}
    assert refusal(both) == "API_TOKEN and API_TOKEN_FILE are both set: expected one of them"


def test_database_url_wins():
    """One address outweighs the parts."""
    environ = {"DATABASE_URL": "postgresql://a:b@c:1/d", "DB_HOST": "nas", "DB_NAME": "market"}
    assert load_settings(environ).database_url == "postgresql://a:b@c:1/d"


def test_the_short_scheme_is_the_long_one():
    """Hosting providers write postgres://; drivers want postgresql://."""
    assert load_settings({"DATABASE_URL": "postgres://a:b@c/d"}).database_url == "postgresql://a:b@c/d"


@pytest.mark.parametrize(
    "url", ["sqlite:///x.db", "localhost:5432/btc", "btc_data", "postgresql://u:p#w@h/db", "postgresql://h:port/db"]
)
def test_a_database_url_of_another_kind_is_refused_without_printing_it(url):
    """The sentence shows the shape and never the value, which holds a password."""
    message = refusal({"DATABASE_URL": url})
    assert message.startswith("DATABASE_URL: expected postgresql://user:password@host:port/name")
    assert url not in message


def test_messages_show_the_address_without_the_password():
    """For logs and errors."""
    settings = load_settings({"DATABASE_URL": "postgresql://a:secret@nas/d"})
    assert settings.shown_database == "nas:5432/d"


@pytest.mark.parametrize(
    "environ",
    [
        {"DB_HOST": "nas"},
        {"DB_HOST": "192.0.2.7", "DB_PASSWORD": ""},
        {"DB_HOST": "0.0.0.0"},
        {"DB_HOST": "localhost.example"},
        {"DATABASE_URL": "postgresql://a@nas/d"},
        {"DATABASE_URL": "postgresql://a:@nas/d"},
        {"DATABASE_URL": "postgresql://a@[2001:db8::1]:5432/d"},
        {"DATABASE_URL": "postgresql://a@127.0.0.1/d?host=nas"},
    ],
)
def test_a_database_elsewhere_without_a_password_is_refused(environ):
    """Whoever reaches it would be in: nothing is started against it."""
    assert "is not on this machine and no password for it is set: whoever reaches it would be in" in refusal(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"DB_HOST": "127.0.0.1"},
        {"DB_HOST": "127.8.8.8"},
        {"DATABASE_URL": "postgresql://a@[::1]:5432/d"},
        {"DATABASE_URL": "postgresql:///d?host=/var/run/postgresql"},
        {"DATABASE_URL": "postgresql:///d"},
        {"DB_HOST": "nas", "DB_PASSWORD": "word"},
        {"DATABASE_URL": "postgresql://a@nas/d?password=word"},
        {"DATABASE_URL": "postgresql://a@nas/d?sslcert=/me.crt"},
        {"DB_HOST": "nas", "PGPASSWORD": "word"},
        {"DB_HOST": "nas", "PGPASSFILE": "/home/me/.pgpass"},
    ],
)
def test_a_database_on_this_machine_or_with_a_password_is_taken(environ):
    """The embedded one trusts everybody on the loopback address; elsewhere libpq's ways to give a word count too."""
    assert load_settings(environ).database_url.startswith("postgresql://")


def test_an_empty_password_file_is_no_password(tmp_path):
    """As a container is given one that nobody has filled."""
    (tmp_path / "empty").write_text("\n")
    assert "no password for it is set" in refusal(
        {"DB_HOST": "timescaledb", "DB_PASSWORD_FILE": str(tmp_path / "empty")}
    )


@pytest.mark.parametrize("name", ["DB_PORT", "COLLECTOR_HTTP_PORT"])
@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "80.0"])
def test_a_port_is_a_number_from_1_to_65535(name, value):
    """The sentence names the variable and its value."""
    assert refusal({name: value}) == f"{name}={value!r}: expected a port number from 1 to 65535"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HYPERLIQUID_WS_URL", "https://api.hyperliquid.xyz/ws"),
        ("HYPERLIQUID_WS_URL", "wss://"),
        ("HYPERLIQUID_WS_URL", "ws://127.0.0.1:port/ws"),
        ("HYPERLIQUID_WS_URL", "api.hyperliquid.xyz"),
        ("HYPERLIQUID_API_URL", "wss://api.hyperliquid.xyz/info"),
        ("HYPERLIQUID_API_URL", "http://[::1/info"),
    ],
)
def test_an_exchange_address_of_another_kind_is_refused(name, value):
    """The sentence names the variable and shows the shape."""
    assert refusal({name: value}).startswith(f"{name}={value!r}: expected an address such as")


def test_exchange_addresses_are_taken_as_they_are():
    """The demo's and the tests' exchange is an address like any other."""
    settings = load_settings(LOCAL)
    assert settings.ws_url == LOCAL["HYPERLIQUID_WS_URL"]
    assert settings.api_url == LOCAL["HYPERLIQUID_API_URL"]


def test_symbols_override_the_configuration():
    """BTC_SYMBOLS is a comma list; spaces and empty entries do not matter."""
    assert list(load_settings({"BTC_SYMBOLS": " ETH, BTC,,"}).config.symbols) == ["ETH", "BTC"]


def test_a_wrong_symbol_is_refused():
    """Symbols are upper case."""
    assert "'eth' is no symbol" in refusal({"BTC_SYMBOLS": "eth"})


def test_a_scaled_clock_is_taken_and_announced(caplog):
    """BTC_CLOCK is logged loudly, with its numbers."""
    settings = load_settings(CLOCK)
    assert settings.clock == ClockScale(1_739_491_200, 1_790_000_000, 60)
    (record,) = caplog.records
    assert (record.levelname, record.sim, record.rate) == ("WARNING", 1_739_491_200, 60)


def test_now_is_on_the_scaled_clock():
    """Every process asks its settings for the time; under a clock that hardly moves it is the recording's."""
    settings = load_settings({"BTC_CLOCK": "1739491200,0,1e-12"})
    assert settings.now().replace(microsecond=0) == datetime(2025, 2, 14, tzinfo=UTC)


def test_a_wrong_clock_is_refused():
    """The sentence names the variable."""
    assert refusal({"BTC_CLOCK": "now"}).startswith("BTC_CLOCK='now'")


@pytest.mark.parametrize("real", ["HYPERLIQUID_WS_URL", "HYPERLIQUID_API_URL"])
def test_a_scaled_clock_is_refused_against_the_real_exchange(real):
    """One real address is enough: recordings' dates must not reach the market."""
    environ = {**CLOCK, **{name: url for name, url in LOCAL.items() if name != real}}
    with pytest.raises(ConfigError, match="BTC_CLOCK is set and HYPERLIQUID_WS_URL or HYPERLIQUID_API_URL is the real"):
        refuse_scaled_mainnet(load_settings(environ))


def test_a_scaled_clock_may_meet_the_demo_exchange_and_real_time_the_real_one():
    """What the refusal is not about."""
    refuse_scaled_mainnet(load_settings({**CLOCK, **LOCAL}))
    refuse_scaled_mainnet(load_settings({}))


def test_btc_config_names_another_file(tmp_path):
    """The whole configuration can be elsewhere."""
    file = tmp_path / "other.yaml"
    file.write_text("symbols: {ETH: {}}\nintervals: [1h]\nhistory_start: 2024-01-01\n")
    assert list(load_settings({"BTC_CONFIG": str(file)}).config.symbols) == ["ETH"]


def test_the_folder_one_stands_in_comes_first(tmp_path, monkeypatch):
    """A config.yaml in the working folder is preferred to the installed one."""
    (tmp_path / "config.yaml").write_text("symbols: {SOL: {}}\nintervals: [1h]\nhistory_start: 2024-01-01\n")
    monkeypatch.chdir(tmp_path)
    assert list(load_settings({}).config.symbols) == ["SOL"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "No such file or directory. BTC_CONFIG names the configuration file"),
        (b"symbols: [", "is no YAML"),
        (b"\xff\xfe\x00", "is no YAML"),
        (b"", "expected keys and values, found nothing"),
        (b"symbols:\n  BTC: {}\nsymbols:\n  ETH: {}\n", "line 3: the key symbols stands in line 1 already"),
        (b"symbols: {BTC: {}, BTC: {coin: ETH}}", "line 1: the key BTC stands in line 1 already"),
        (b"symbls: {}", "unknown key 'symbls'. Did you mean symbols?"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, content, sentence):
    """The sentence says which file and what about it."""
    file = tmp_path / "other.yaml"
    if content is not None:
        file.write_bytes(content)
    message = refusal({"BTC_CONFIG": str(file)})
    assert str(file) in message
    assert sentence in message


def test_the_repositorys_configuration_is_good():
    """config.yaml as it is shipped."""
    assert read_config(project_root() / "config.yaml").coin_of("BTC") == "BTC"
    assert project_root() == Path(__file__).resolve().parents[3]


def test_strategies_of_one_s_own(tmp_path, monkeypatch):
    """A folder beside the file that names it; one that is not there is told of, and none is read."""
    import btc_core.strategies as package

    monkeypatch.setattr(package, "__path__", list(package.__path__))
    config = tmp_path / "config.yaml"
    text = (project_root() / "config.yaml").read_text(encoding="utf-8")
    config.write_text(f"strategies_path: mine\n{text}", encoding="utf-8")
    assert f"strategies_path: expected a folder, found none at {tmp_path}/mine" in refusal({"BTC_CONFIG": str(config)})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.py").write_text("raise SystemExit", encoding="utf-8")
    try:
        assert load_settings({"BTC_CONFIG": str(config)}).config.strategies_path == "mine"
        assert "own" in plugin_names("btc_core.strategies")
    finally:
        plugin_names.cache_clear()


def test_a_range_of_parameters_is_no_number_of_base_60(tmp_path):
    """YAML 1.1 reads 5:40:5 as 20405; a number stays one."""
    file = tmp_path / "config.yaml"
    sweep = "{strategy: ma, intervals: [1h], parameters: {period: 5:40:5, side: -1, other: 0.5:3:0.25, more: 1.5}}"
    file.write_text(
        f"symbols: {{BTC: {{}}}}\nintervals: [1h]\nhistory_start: 2024-01-01\nsweeps: {{windows: {sweep}}}\n"
    )
    found = read_config(file).sweeps["windows"].parameters
    assert found == {"period": "5:40:5", "side": -1, "other": "0.5:3:0.25", "more": 1.5}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/mnt/lake", "/mnt/lake"),
        ("file:///mnt/lake", "/mnt/lake"),
        ("s3://bucket/prefix/", "s3://bucket/prefix"),
        ("gs://bucket", "gs://bucket"),
        ("az://container/x", "az://container/x"),
    ],
)
def test_a_lake_is_a_folder_or_an_object_store(text, address):
    """As it is given, without a slash at the end."""
    assert load_settings({"BTC_LAKE": text}).lake == address


def test_a_lake_without_an_address_is_beside_the_configuration(tmp_path, monkeypatch):
    """Wherever the process was started; a relative one is of where it was."""
    monkeypatch.chdir(tmp_path)
    assert load_settings({"BTC_CONFIG": str(project_root() / "config.yaml")}).lake == f"{project_root()}/.data/lake"
    assert load_settings({"BTC_LAKE": "x"}).lake == f"{tmp_path}/x"


@pytest.mark.parametrize(
    ("text", "said"),
    [("s3a://bucket", "Did you mean s3?"), ("http://x/y", "begins with s3://, gs:// or az://"), ("s3://", "a bucket")],
)
def test_another_kind_of_lake_is_refused(text, said):
    """With the near misses."""
    assert said in refusal({"BTC_LAKE": text})
