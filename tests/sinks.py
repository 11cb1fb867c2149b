"""A real HTTP server that takes alerts as apprise's ``json://`` sends them, refuses them, or never answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Sink:
    """What a channel was told.

    Attributes:
        url: For ``ALERT_URLS``.
        taken: Title, text and tone of what was answered with 200, in order.
        asked: How many requests came.
        statuses: What the next requests are answered with; 200 when there is none left.
        hangs: While it is set, a request is answered by a byte now and then, and never to the end.
    """

    port: int = 0
    taken: list[tuple[str, str, str]] = field(default_factory=list)
    asked: int = 0
    statuses: list[int] = field(default_factory=list)
    hangs: threading.Event = field(default_factory=threading.Event)
    is_closed: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The address for ``ALERT_URLS``."""
        return f"json://127.0.0.1:{self.port}/"

    @property
    def titles(self) -> list[str]:
        """The titles that were taken."""
        return [title for title, _, _ in self.taken]

    @property
    def text(self) -> str:
        """All that was taken."""
        return "\n".join(f"{title}\n{text}" for title, text, _ in self.taken)


@contextmanager
def open_sink() -> Iterator[Sink]:
    """Serve on a port of its own for the time of a ``with`` block."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sink.asked += 1
            if sink.hangs.is_set():
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Waiting: ")
                while not sink.is_closed.wait(0.1):
                    self.wfile.write(b".")
                return
            status = sink.statuses.pop(0) if sink.statuses else 200
            if status == 200:
                sink.taken.append((told["title"], told["message"], told["type"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        sink.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield sink
        finally:
            sink.is_closed.set()
            server.shutdown()
            thread.join()
