"""HTTP servers on loopback, for the sandboxes.

What belongs here: starting and stopping a server. What does not: its answers (erp_server.py,
assistant_server.py).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def serve_on_loopback(handler: type[BaseHTTPRequestHandler], sandbox: object) -> Iterator[str]:
    """Serve on a free port; `handler` gets the attribute `sandbox`. Yields `http://127.0.0.1:port`."""
    bound = type("Handler", (handler,), {"sandbox": sandbox})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
