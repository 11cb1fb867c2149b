"""What the benchmark of the live stream makes of messages."""

from benchmarks.stream import Heard


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


def test_a_message_that_somebody_did_not_hear_is_missed():
    """Two clients, two changes, three messages."""
    heard = Heard(written={1: 10.0, 2: 20.0}, delays={1: [0.25, 0.5], 2: [0.125]})
    figures = {figure.name: figure.value for figure in heard.figures("x", "y", n_clients=2)}
    assert (figures["x_p50"], figures["x_missed"]) == (250.0, 1)
