"""`make safe`: secrets that are planted are found, a lock without hashes is refused, known holes and bills are told."""

import hashlib
import importlib.util
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import pytest

from tests.conftest import ROOT
from tests.environments import find_uv

# Put together here, so that this file holds none.
PLANTED = {
    "an address": "DATABASE_URL=postgresql://btc_bot:" + "Tr0ub4dor3" + "@nas:5432/btc_data",
    "a key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "a bot": "ALERT_URLS=tgram://" + "110201543" + ":" + "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1/1",
    "a cloud": "aws_key = '" + "AKIA" + "IOSFODNN7EXAMPLQ'",
    "a token": 'token = "' + "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8" + '"',
    "a wallet": f'key = "{hashlib.sha256(b"a wallet").hexdigest()}"',
}
LOCKED = '[[package]]\nname = "a"\nversion = "1"\nsource = { registry = "https://pypi.org/simple" }\n'


def script(name: str) -> ModuleType:
    """Import a file of ``scripts``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_secret_is_found(tmp_path, what):
    """File, line and kind are told, and never the secret."""
    (tmp_path / "file.py").write_text(f"# first\n{PLANTED[what]}\n", encoding="utf-8")
    found = script("scan_secrets").found_in([tmp_path / "file.py"])
    assert found
    for line in found:
        assert line.startswith(f"{tmp_path / 'file.py'}:2: ")
        assert PLANTED[what].split()[-1].strip("'\"") not in line


def test_place_holders_and_what_is_marked_are_none(tmp_path):
    """Examples in documents need no mark; a hash that must be there has one."""
    text = "postgresql://user:password@host/name\nkey = '29b539ebc72a29b5'  # pragma: allowlist secret\nword = 'word'\n"
    (tmp_path / "file.py").write_text(text, encoding="utf-8")
    assert script("scan_secrets").found_in([tmp_path / "file.py"]) == []


def test_what_a_person_writes_is_looked_at():
    """Configuration, deployment, documents, tests; not hashes of packages and pictures."""
    names = {path.relative_to(ROOT).as_posix() for path in script("scan_secrets").tracked()}
    assert names >= {".env.example", "docker-compose.yml", "config.yaml", "deploy/database/10-roles.sh", "README.md"}
    assert not {name for name in names if name.endswith((".lock", ".png"))}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOCKED + 'wheels = [{ url = "x", hash = "sha256:0" }]\n', []),
        (LOCKED + 'wheels = [{ url = "x" }]\n', ["a 1: expected a sha256 of each of its files: uv lock"]),
        (LOCKED, ["a 1: expected a sha256 of each of its files: uv lock"]),
        ('[[package]]\nname = "a"\nsource = { editable = "." }\n', []),
        (
            '[[package]]\nname = "a"\nsource = { git = "https://elsewhere" }\n',
            ["a: expected it from https://pypi.org/simple, found {'git': 'https://elsewhere'}"],
        ),
    ],
)
def test_what_may_be_another_thing_tomorrow_is_refused(text, said):
    """Every package is one registry's, and each of its files has its hash."""
    assert script("audit").unlocked(text) == said


def test_our_lock_file_is_locked():
    """As it is committed."""
    assert script("audit").unlocked((ROOT / "uv.lock").read_text(encoding="utf-8")) == []


class Holes(BaseHTTPRequestHandler):
    """Speaks as osv.dev does: one package of ours has a hole."""

    package = "msgspec"

    def do_POST(self) -> None:
        """Answer a batch of questions in its order."""
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        self._answer({"results": [{"vulns": [{"id": "T-1"}]} if self._is_it(one) else {} for one in queries]})

    def do_GET(self) -> None:
        """Tell of the hole."""
        times = dict.fromkeys(("modified", "published"), "2026-01-01T00:00:00Z")
        self._answer({"id": "T-1", "summary": "a hole of this test", **times, "affected": []})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _is_it(self, query: dict) -> bool:
        return self.package in json.dumps(query["package"])

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def known_holes() -> Iterator[str]:
    """Serve it; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Holes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_known_hole_fails_and_a_database_that_is_away_does_not(tmp_path, monkeypatch):
    """`uv audit` itself, against a server of this test; and against nothing."""
    audit = script("audit").audit
    # What is remembered from one of the two would be taken for the other.
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    with known_holes() as url:
        status, said = audit("--service-url", url, uv=find_uv())
    assert status != 0
    assert "T-1" in said and "msgspec" in said
    assert audit("--service-url", "http://127.0.0.1:1/", uv=find_uv()) == (
        0,
        "the database of known holes does not answer: skipped",
    )


def test_the_bills_are_of_what_the_images_are_made_of(tmp_path):
    """CycloneDX, by the extras of each Dockerfile; every package with its version and its hashes."""
    done = subprocess.run(
        [ROOT / "scripts" / "sbom.sh", tmp_path, find_uv()], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    text = (ROOT / "scripts" / "sbom.sh").read_text(encoding="utf-8")
    for image, dockerfile in (("btc-collector", "collector/Dockerfile"), ("btc-pipeline", "Dockerfile")):
        installed = re.findall(r"--extra (\w+)", (ROOT / dockerfile).read_text(encoding="utf-8"))
        assert (
            re.findall(r"--extra (\w+)", next(line for line in text.splitlines() if f"bill {image} " in line))
            == installed
        )
        bill = json.loads((tmp_path / f"{image}.cdx.json").read_text(encoding="utf-8"))
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
        names = {each["name"]: each for each in bill["components"]}
        assert {"asyncpg", "msgspec", "httpx"} <= set(names)
        assert ("polars" in names) == (image == "btc-pipeline")
        assert not {"pytest", "ruff", "detect-secrets"} & set(names)
        assert all(each["version"] and each["purl"].startswith("pkg:pypi/") for each in names.values())


def test_make_check_is_made_of_it():
    """What continuous integration runs."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^check: lint safe test ", text, re.MULTILINE)
    for name in ("scan_secrets.py", "audit.py", "sbom.sh"):
        assert f"scripts/{name}" in text
