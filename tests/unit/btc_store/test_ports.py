"""Ports that a server may take."""

import socket

from btc_store.ports import HOST, free_port, is_free


def test_a_wanted_port_that_is_taken_is_replaced():
    """The database of ``make up`` prefers one, but does with another."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) != port
    assert free_port(port) == port


def test_ports_chosen_together_differ_and_are_none_that_a_connection_takes():
    """One that is chosen stays free until a server takes it: the system gives connections others."""
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)
    assert max(ports) < 32_768
    with socket.create_server((HOST, 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockname()[1] > max(ports)
