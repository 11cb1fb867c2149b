"""Ports of this machine that a server may take."""

import itertools
import secrets
import socket

HOST = "127.0.0.1"
# The system hands out no port below 32768 by itself (macOS: 49152): one that is free now is free when a server, started
# seconds later, takes it, whatever connections are opened meanwhile.
_PORTS = range(20_000, 32_000)
# Each is proposed once by a process: what is chosen together differs.
_proposals = itertools.islice(itertools.cycle(_PORTS), secrets.randbelow(len(_PORTS)), None)


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of the loopback address."""
    with socket.socket() as probe:
        # As servers do it: a port that a closed connection still lingers on is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port(wanted: int | None = None) -> int:
    """Return a port that nobody listens on: the wanted one where it is free."""
    port = wanted or next(_proposals)
    while not is_free(port):
        port = next(_proposals)
    return port
