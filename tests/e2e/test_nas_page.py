"""The page for a newcomer, docs/nas.md: every command in it, in its order, in a copy of the repository."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.containers import SERVICES, Containers, only_docker, surroundings

PAGE = ROOT / "docs" / "nas.md"
PROMISED = """
SELECT (SELECT count(*) FROM candles WHERE interval = '1m' AND state = 'confirmed'),
       (SELECT count(*) FROM decisions), (SELECT count(*) FROM dagster.daemon_heartbeats)"""


def commands() -> dict[str, list[str]]:
    """Return the blocks of commands of each section."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        found[title] = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


def test_the_commands_can_be_read():
    """The shell takes each block, and whom they name is there; what they do is tested with Docker."""
    blocks = [block for section in commands().values() for block in section]
    assert len(blocks) > 10
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        named = re.findall(r"(?:exec -T|--tail 20|--no-deps|stop) ([a-z ]+?)(?: btc| psql| pg_|$)", block, re.MULTILINE)
        assert {name for each in named for name in each.split()} <= set(SERVICES), block


@pytest.fixture
def house(docker_compose: Path, tmp_path: Path) -> Iterator[Containers]:
    """A copy of the repository, and nothing started yet. Its commands find docker-compose as DSM has it."""
    copy, programs = tmp_path / "btc", tmp_path / "bin"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".cache", ".data", ".uv", "__pycache__", "secrets", ".env", "tests"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    programs.mkdir()
    (programs / "docker-compose").symlink_to(docker_compose)
    with surroundings(docker_compose, tmp_path, copy, rate=2) as made:
        # The secrets are where the page puts them; the older builder takes the machine's network.
        made.env |= {"BTC_SECRETS": str(copy / "secrets"), "DOCKER_BUILDKIT": "0"}
        made.env["PATH"] = f"{programs}:{made.env['PATH']}"
        yield made


@only_docker
@pytest.mark.e2e
def test_a_newcomer_gets_to_the_first_decision_and_beyond(house: Containers):
    """From an empty folder; then upgrade, move, restore and new secrets, and nothing is lost on the way."""
    promised = [0, 0, 0]
    for title, blocks in commands().items():
        for block in blocks:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=house.folder,
                env=house.env,
                capture_output=True,
                text=True,
                check=False,
                timeout=1800,
            )
            print(f"--- {title}\n{block}{done.stdout}")
            assert done.returncode == 0, f"{title}: {block}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        if title > "4":
            house.wait("everybody is healthy", lambda: house.ready() == sorted(SERVICES))
            house.wait_for("SELECT count(*) FROM decisions")
            before = promised
            # What a copy lacks the collector asks for again, and the lane decides anew.
            house.wait(f"{title}: as much as before, {before}", lambda old=before: _has_all(house, old))
            promised = house.ask(PROMISED)


def _has_all(house: Containers, before: list[int]) -> bool:
    return all(now >= then for then, now in zip(before, house.ask(PROMISED), strict=True))
