"""docker-compose.yml, as docker-compose itself reads it: no engine is needed to know what it would start."""

import json
import os
import re
import subprocess
import tomllib

import pytest

from btc_store.settings import read_config
from tests.conftest import ROOT

PROFILES = {
    "nas": {"timescaledb", "migrate", "collector", "api"},
    "full": {"timescaledb", "migrate", "collector", "api", "live", "location", "daemon", "webserver"},
    "pipeline": {"migrate", "live", "location", "daemon", "webserver"},
    "alerts": {"migrate", "alerts"},
    "monitoring": {"prometheus", "grafana"},
}
MEGABYTE = 2**20
SECRET = "correct-horse-battery-staple"


@pytest.fixture
def composed(docker_compose, tmp_path):
    """A function that returns the configuration of a profile, with secrets in files and variables as given."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    owners = ("db_admin_password", "db_password", "db_collector_password", "db_api_password")
    for name in (*owners, "api_token", "alert_urls", "grafana_password"):
        (secrets / name).write_text(SECRET, encoding="utf-8")

    def compose(profile: str, *, files: tuple[str, ...] = ("docker-compose.yml",), **variables: str) -> dict:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BTC_SECRETS": str(secrets), **variables}
        named = [word for file in files for word in ("-f", str(ROOT / file))]
        command = [str(docker_compose), *named, "--profile", profile, "config"]
        done = subprocess.run(
            [*command, "--format", "json"], env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert SECRET not in done.stdout
        return json.loads(done.stdout)

    return compose


@pytest.mark.parametrize(("profile", "services"), PROFILES.items())
def test_a_profile_has_its_services(composed, profile, services):
    """The three ways to run it, and what watches it."""
    assert set(composed(profile)["services"]) == services


@pytest.mark.parametrize("profile", PROFILES)
def test_every_service_is_bounded_and_comes_back(composed, profile):
    """A limit of memory, none of processors (kernels of NAS makers refuse it), logs that rotate, a pinned image."""
    for name, service in composed(profile)["services"].items():
        assert int(service["mem_limit"]) > 0, name
        assert not {"cpus", "cpu_count", "cpu_quota", "cpuset"} & set(service), name
        assert "limits" not in service.get("deploy", {}).get("resources", {}), name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert re.fullmatch(r"[a-z/-]+:(?!latest)[\w.-]+", service["image"]), name
        assert service["read_only"] is True, name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_the_collector_and_the_database_fit_a_small_machine(composed):
    """Limits of memory, megabytes."""
    services = composed("full")["services"]
    limits = {name: int(service["mem_limit"]) // MEGABYTE for name, service in services.items()}
    assert (limits["collector"], limits["timescaledb"]) == (128, 512)


@pytest.mark.parametrize("profile", PROFILES)
def test_only_the_pages_for_people_are_published_and_only_on_this_machine(composed, profile):
    """No port of the database, the collector or Prometheus; another address is somebody's decision."""
    published = {
        name: [(port["host_ip"], port["published"], port["target"]) for port in service["ports"]]
        for name, service in composed(profile)["services"].items()
        if service.get("ports")
    }
    pages = {"api": ("8000", 8000), "webserver": ("3000", 3000), "grafana": ("3001", 3000)}
    assert published == {name: [("127.0.0.1", *pages[name])] for name in pages if name in PROFILES[profile]}
    open_ = composed(profile, BTC_BIND="192.0.2.7")["services"]
    bound = {port["host_ip"] for service in open_.values() for port in service.get("ports", [])}
    assert bound == ({"192.0.2.7"} if published else set())


def test_the_database_is_reached_from_inside_alone(composed):
    """Its network has no way out, and it is in no other."""
    found = composed("full")
    assert list(found["services"]["timescaledb"]["networks"]) == ["inside"]
    assert found["networks"]["inside"]["internal"] is True


def test_what_watches_sees_the_figures_and_nothing_else(composed):
    """Programs of others: neither the database's network nor a secret of ours, and Prometheus not the world either."""
    found = composed("monitoring")
    networks = {name: set(service["networks"]) for name, service in found["services"].items()}
    assert networks == {"prometheus": {"watched"}, "grafana": {"watched", "outside"}}
    assert found["networks"]["watched"]["internal"] is True
    assert [each["source"] for each in found["services"]["grafana"]["secrets"]] == ["grafana_password"]
    assert not found["services"]["prometheus"].get("secrets")
    watched = {name for name, one in composed("full")["services"].items() if "watched" in one["networks"]}
    assert watched == {"api", "collector"}


def test_secrets_come_from_files(composed):
    """No variable holds one, and everybody has only his own."""
    services = composed("full")["services"]
    for name, service in (services | composed("monitoring")["services"]).items():
        variables = service.get("environment") or {}
        secret = {key for key in variables if re.search("PASSWORD|TOKEN|SECRET|URL", key) and not key.endswith("_FILE")}
        assert {variables[key] for key in secret} <= {"", "http://webserver:3000", "http://collector:8080"}, name
    held = {name: {each["source"] for each in service["secrets"]} for name, service in services.items()}
    assert held["api"] == {"db_api_password", "api_token"}
    assert held["collector"] == {"db_collector_password"}
    assert held["timescaledb"] == {"db_admin_password", "db_password", "db_collector_password", "db_api_password"}
    assert all(held[name] == {"db_password"} for name in PROFILES["full"] - {"api", "collector", "timescaledb"})


def test_everybody_signs_in_as_who_he_is(composed):
    """The pipeline owns the tables, the collector writes minutes, the API reads; each by its own password, by SCRAM."""
    services = composed("full")["services"]
    users = {name: service["environment"].get("DB_USER") for name, service in services.items() if name != "timescaledb"}
    assert (users.pop("collector"), users.pop("api")) == ("btc_collector", "btc_api")
    assert set(users.values()) == {"btc_bot"}
    for name, service in services.items():
        file = service["environment"].get("DB_PASSWORD_FILE")
        assert file is None or file.removeprefix("/run/secrets/") in {one["source"] for one in service["secrets"]}, name
    database = services["timescaledb"]
    assert "--auth-host=scram-sha-256" in database["environment"]["POSTGRES_INITDB_ARGS"]
    assert "POSTGRES_HOST_AUTH_METHOD" not in database["environment"]
    assert "password_encryption=scram-sha-256" in " ".join(database["command"])


@pytest.mark.parametrize("profile", PROFILES)
def test_everything_waits_for_the_migrations(composed, profile):
    """Whoever meets an older schema would fail, so nobody starts before it is new."""
    for name, service in composed(profile)["services"].items():
        if name not in ("timescaledb", "migrate", "prometheus", "grafana"):
            assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully", name
        if name in ("daemon", "webserver"):
            assert service["depends_on"]["location"]["condition"] == "service_healthy", name


def test_the_pools_fit_the_server(composed):
    """What our processes open at most is what the database allows."""
    config = read_config(ROOT / "config.yaml")
    # Each with the connection on which it listens; Dagster's three open one for each question that they have at once.
    pools = {"collector": config.collector.pool_max, "api": config.api.pool_max + 1, "live": 2, "alerts": 1}
    dagster, reserved, people = 10, 3, 2
    (allowed,) = re.findall(r"max_connections=(\d+)", " ".join(composed("full")["services"]["timescaledb"]["command"]))
    assert sum(pools.values()) + dagster + reserved + people == int(allowed)


def test_the_server_fits_two_gigabytes(composed):
    """What it shares between its processes, and no compiler."""
    text = " ".join(composed("full")["services"]["timescaledb"]["command"])
    assert "jit=off" in text
    assert "shared_buffers=128MB" in text


def test_everybody_reads_the_configuration_and_the_strategies_beside_the_file(composed):
    """What a person edits there is in force after a restart; nobody writes it, and the files may be others."""
    ours = PROFILES["full"] - {"timescaledb"}
    for variables, names in (
        ({}, (str(ROOT / "config.yaml"), str(ROOT / "strategies"))),
        ({"BTC_CONFIG_FILE": "/etc/btc.yaml", "BTC_STRATEGIES_FOLDER": "/etc/mine"}, ("/etc/btc.yaml", "/etc/mine")),
    ):
        services = composed("full", **variables)["services"]
        for name in ours:
            mounted = {each["target"]: each for each in services[name]["volumes"]}
            for target, source in zip(("/app/config.yaml", "/app/strategies"), names, strict=True):
                assert (mounted[target]["source"], mounted[target]["read_only"]) == (source, True), name


def test_the_database_is_published_where_it_is_wanted(composed):
    """For Dagster on another machine: a file of its own, and an address that must be said."""
    files = ("docker-compose.yml", "deploy/open-database.yml")
    found = composed("nas", files=files, BTC_DATABASE_BIND="192.0.2.7")["services"]["timescaledb"]
    assert [(port["host_ip"], port["published"]) for port in found["ports"]] == [("192.0.2.7", "5432")]
    assert set(found["networks"]) == {"inside", "outside"}
    with pytest.raises(AssertionError, match="expected the address of this machine"):
        composed("nas", files=files)


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "collector/Dockerfile"])
def test_an_image_is_pinned_by_the_lock_and_runs_as_nobody(dockerfile):
    """What is installed is what uv.lock says; the process has no rights, and says whether it is well."""
    text = (ROOT / dockerfile).read_text(encoding="utf-8")
    assert re.search(r"uv sync \\\n\s+--frozen", text)
    assert "ARG BASE=debian:bookworm-slim" in text
    final = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    for label in ("title", "description", "licenses", "base.name"):
        assert f"org.opencontainers.image.{label}=" in final
    assert "\nHEALTHCHECK " in final
    assert "\nVOLUME /app/.data\n" in final
    assert not re.search(r"gcc|build-essential|python3-venv|/opt/uv", final)


@pytest.mark.parametrize("extras", [("collector",), ("api", "pipeline")])
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_an_image_can_be_made_for_either_architecture(extras, architecture):
    """Nothing is compiled where an image is built, so each package has a wheel for its Python 3.11 there."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    # Of some there are two versions, the older for Python 3.11.
    packages = {package["name"]: package for package in reversed(lock)}
    wheels = {(package["name"], wheel["url"]) for package in lock for wheel in package.get("wheels", ())}
    wanted = [each for extra in extras for each in packages["btc-data"]["optional-dependencies"][extra]]
    wanted += packages["btc-data"].get("dependencies", [])
    seen: set[str] = set()
    while wanted:
        each = wanted.pop()
        package = packages[each["name"]]
        further = [dep for extra in each.get("extra", ()) for dep in package["optional-dependencies"][extra]]
        if each["name"] not in seen:
            seen.add(each["name"])
            further += package.get("dependencies", [])
        # What is for other systems alone is not installed.
        wanted += [dep for dep in further if not re.search("win32|Windows|darwin", dep.get("marker", ""))]
    fits = re.compile(
        rf"-(py[23.]*3|cp3\d+)-(none|abi3|cp311)-(any|manylinux\w*{architecture}[\w.]*)\.whl$|-none-any\.whl$"
    )
    assert len(seen) > 3
    assert sorted(seen - {name for name, url in wheels if fits.search(url)}) == []


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "collector/Dockerfile"])
def test_a_dockerfile_names_no_architecture(dockerfile):
    """Debian's packages have the same names on each."""
    assert not re.search("amd64|x86|arm64|aarch", (ROOT / dockerfile).read_text(encoding="utf-8"))
