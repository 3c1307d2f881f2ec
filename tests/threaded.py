"""Servers of the standard library in a thread of the test's process: what answers where no mock does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from socketserver import BaseRequestHandler
from typing import Final

POLL_S: Final = 0.01
"""Seconds after which a server notices that it is to end."""


@contextmanager
def listening(handler: type[BaseRequestHandler]) -> Iterator[str]:
    """Serve on a free port of this machine, without a log; yields the URL."""
    quiet = type("Quiet", (handler,), {"log_message": lambda self, format, *args: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
