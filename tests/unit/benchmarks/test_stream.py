"""What the benchmark of the live stream makes of messages."""

import socket
from threading import Thread

import pytest

from benchmarks import stream
from benchmarks.stream import Heard, _memory


def message(n, kind="change"):
    """Return a message about the n-th change, as the stream writes it."""
    return f'{{"type":"{kind}","rows":[{{"time":"2025-01-01T00:00:00Z","volume":{n}.0,"trades":1}}]}}'


def test_a_delay_counts_from_the_writing():
    """What was there before, and what nobody has written, does not count."""
    heard = Heard(written={1: 10.0, 2: 20.0})
    heard.note(message(1, "latest"), 9.0)
    heard.note(message(1), 10.25)
    heard.note(message(1), 10.5)
    heard.note(message(2), 20.125)
    heard.note(message(3), 30.0)
    assert (heard.n_ready, heard.delays) == (1, {1: [0.25, 0.5], 2: [0.125]})


def test_changes_that_come_together_are_each_heard():
    """A message has the rows of all that was committed since the last one."""
    heard = Heard(written={1: 10.0, 2: 20.0})
    heard.note(message(1) + message(2) + message(2), 21.0)
    assert heard.delays == {1: [11.0], 2: [1.0]}


def test_who_has_not_heard_the_last_change_is_behind():
    """Two clients, two changes: one of them has the newest; an earlier change may have been told with it."""
    heard = Heard(written={1: 10.0, 2: 20.0}, delays={1: [0.25, 0.5], 2: [0.125]})
    figures = {figure.name: figure.value for figure in heard.figures("x", "y", n_clients=2)}
    assert (figures["x_p50"], figures["x_behind"]) == (250.0, 1)


def test_memory_is_told_of_the_start_the_middle_and_the_end():
    """Medians of a tenth each; growth counts from the second quarter on, when who does not read is gone."""
    samples = [50.0] * 10 + [60.0] * 40 + [70.0] * 40 + [80.0] * 10
    told = {figure.name: figure.value for figure in _memory(samples, "x")}
    assert told == {
        "soak_memory_start": 50,
        "soak_memory_middle": 65,
        "soak_memory_end": 80,
        "soak_memory_most": 80,
        "soak_growth": 10,
    }
    assert {figure.value for figure in _memory([50.0], "x")} == {50, 0}


@pytest.mark.parametrize(
    ("sent", "is_dropped"),
    [(b"x" * 200_000 + b"\x88\x20\x03\xf5too slow: nothing read", True), (b"x" * 200_000, False), (None, True)],
    ids=["with a reason", "not at all", "without a word"],
)
def test_a_client_that_was_dropped_finds_out_when_it_reads(sent, is_dropped, monkeypatch):
    """The server waits for its answer then: the end of the connection may be minutes away."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        monkeypatch.setattr(stream, "PATIENCE_SECONDS", 0.2)
        writing = Thread(target=lambda: theirs.sendall(sent) if sent else theirs.shutdown(socket.SHUT_WR))
        writing.start()
        assert stream._is_dropped(ours) is is_dropped
        writing.join()
