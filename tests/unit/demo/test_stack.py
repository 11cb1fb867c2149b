"""Processes that live and die together, with real ones."""

import asyncio
import socket
import subprocess
import sys

import pytest

from btc_core.errors import ConfigError, DataError
from btc_store.ports import free_port
from demo.stack import Program, Stack, check_port, last_lines

PATIENCE_SECONDS = 20
FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def program(code, name="child", port=None, **variables):
    """Return a process that runs some Python."""
    return Program(name=name, command=(sys.executable, "-c", code), variables=variables, port=port)


@pytest.fixture
async def stack(tmp_path):
    """A stack that is stopped after the test."""
    running = Stack(tmp_path, tmp_path / "logs")
    async with asyncio.timeout(PATIENCE_SECONDS):
        yield running
        await running.stop(running.names)


async def test_a_process_gets_its_variables_and_leaves_its_output_in_a_log(stack, monkeypatch):
    """Ours are there too, but for the one that would make every start slow."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OURS", "kept")
    code = "import os; print(os.environ['GIVEN'], os.environ['OURS'], 'PYTHONDONTWRITEBYTECODE' in os.environ)"
    await stack.complete(program(code, GIVEN="a=b c"))
    assert stack.last_lines("child", 5) == ["a=b c kept False"]
    assert stack.names == []


async def test_a_failed_step_says_what_it_said(stack):
    """A process that was to end well and does not is an error with its last lines."""
    with pytest.raises(DataError, match="child failed with status 3: no such file"):
        await stack.complete(program("import sys; print('no such file'); sys.exit(3)"))


async def test_ready_waits_for_the_port(stack):
    """Whoever comes after can connect."""
    port = free_port()
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    listening = program(code, port=port)
    await stack.start(listening)
    await stack.ready(listening)
    socket.create_connection(("127.0.0.1", port)).close()


async def test_the_first_death_is_told_with_its_last_lines(stack):
    """Name, status and output of the one that ended by itself."""
    await stack.start(program(FOREVER, name="stays"))
    await stack.start(program("print('oh no'); raise SystemExit(4)", name="goes"))
    death = await stack.death()
    assert (death.name, death.status, list(death.last_lines)) == ("goes", 4, ["oh no"])


async def test_a_stop_is_no_death_and_leaves_nothing(stack):
    """Also children of the children are gone, and those that were not asked for run on."""
    family = (
        "import os, subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    )
    await stack.start(program(family + "print(p.pid, flush=True); p.wait()", name="family"))
    await stack.start(program(FOREVER, name="other"))
    while not stack.last_lines("family", 1):
        await asyncio.sleep(0.01)
    grandchild = int(stack.last_lines("family", 1)[0])
    assert stack.names == ["other", "family"]
    await stack.stop(["family"])
    assert stack.names == ["other"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stack.death(), 0.05)
    assert not _runs(grandchild)


async def test_who_ignores_the_request_is_killed(stack, monkeypatch):
    """After a while SIGKILL follows."""
    monkeypatch.setattr("demo.stack.STOP_SECONDS", 0.2)
    monkeypatch.setattr("demo.stack.REST_SECONDS", 0.2)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    await stack.start(program(deaf))
    while not stack.last_lines("child", 1):
        await asyncio.sleep(0.01)
    await stack.stop(stack.names)
    assert stack.names == []


def test_a_port_that_is_taken_names_the_way_out():
    """What is started on it would die later, with less to say."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}, wanted for the page, is in use: .*or knit one"):
            check_port(port, wanted_for="the page", way_out="knit one")
    check_port(port, wanted_for="the page", way_out="knit one")


def test_last_lines(tmp_path):
    """The end of a log, whatever bytes are in it."""
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\n\xff three\n")
    assert last_lines(log, 2) == ["two", "\ufffd three"]


def _runs(pid):
    """Whether a process exists and is no zombie that waits for its new parent."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
