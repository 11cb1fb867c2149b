"""The command line of the demo exchange."""

import socket
import subprocess
import sys

import pytest

from demo import serve

PATIENCE_SECONDS = 30


def test_help_has_an_example(capsys):
    """Somebody who copies the example has a running exchange."""
    with pytest.raises(SystemExit) as exited:
        serve.main(["--help"])
    assert exited.value.code == 0
    assert "python -m demo.serve --market --seed 7 --symbols BTC,ETH" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--market", "--file", "x"], ["--market", "--port", "70000"]])
def test_bad_usage_has_status_2(arguments, capsys):
    """No source, two sources, a port that is none."""
    with pytest.raises(SystemExit) as exited:
        serve.main(arguments)
    assert exited.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "none.parquet"], "demo.serve: cannot read none.parquet: No such file"),
        (["--frames", "none.log"], "demo.serve: cannot read none.log: No such file"),
        (["--market", "--symbols", "BTCC"], "Did you mean BTC?"),
        (["--market", "--symbols", ","], "names no coin"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(arguments, message, capsys):
    """Status 1 and one sentence on standard error."""
    assert serve.main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("- {kind: rest_eror}", "faults.yaml, entry 1: unknown kind 'rest_eror'. Did you mean rest_error"),
        ("- {kind: stall, coin: BTCC}", "stall: unknown coin 'BTCC'. Did you mean BTC?"),
    ],
)
def test_a_script_that_cannot_be_meant_is_one_sentence(script, message, tmp_path, capsys):
    """Before anything listens."""
    path = tmp_path / "faults.yaml"
    path.write_text(script)
    assert serve.main(["--market", "--faults", str(path), "--fault-seed", "3"]) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_port_in_use_is_one_sentence(capsys):
    """The message names the port and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert serve.main(["--market", "--port", port]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"demo.serve: cannot listen on 127.0.0.1:{port}: ")
    assert message.endswith("--port 0 takes a free port")


def test_the_process_prints_its_addresses_and_ends_on_a_signal():
    """Two lines that a shell can take over; SIGTERM is no failure."""
    command = [sys.executable, "-m", "demo.serve", "--market"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert "Traceback" not in process.stderr.read()
    assert lines[0].startswith("HYPERLIQUID_WS_URL=ws://127.0.0.1:")
    assert lines[1].startswith("HYPERLIQUID_API_URL=http://127.0.0.1:")
    assert lines[1].endswith("/info\n")
