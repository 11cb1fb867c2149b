"""What a connection does apart from its socket; with one it is tested in ``integration/test_demo_faults.py``."""

from types import SimpleNamespace

from demo.link import MOST_BACKLOG_BYTES, Link, Sending


def test_a_client_that_does_not_read_loses_its_connection(caplog):
    """Every queue has a bound; here it is the bytes that wait for the client."""
    aborted: list[bool] = []
    transport = SimpleNamespace(
        get_write_buffer_size=lambda: MOST_BACKLOG_BYTES + 1, abort=lambda: aborted.append(True)
    )
    Link(SimpleNamespace(transport=transport), 1).deliver("frame")
    assert aborted == [True]
    assert "a client does not read" in caplog.text


def test_a_cut_line_can_only_be_mended():
    """Nothing is written and nobody is told, until the cut is found."""
    calls: list[str] = []
    transport = SimpleNamespace(
        pause_reading=lambda: calls.append("pause"), abort=lambda: calls.append("abort"), write=calls.append
    )
    link = Link(SimpleNamespace(transport=transport), 1)
    link.cut()
    link.put(Sending(text="frame", at_ms=0))
    link.ping()
    link.close(1000, "Expired")
    link.reset("frame")
    link.abort()
    assert calls == ["pause"]
    link.mend()
    assert calls == ["pause", "abort"]
