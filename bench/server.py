"""What the database server's processor did, all its processes together."""

from __future__ import annotations

import psutil

from whatsapp_pipeline.store.connection import Connection


class ServerClock:
    """The processor's seconds of the server that a connection goes to, on this machine."""

    def __init__(self, conn: Connection) -> None:
        self._backend = psutil.Process(conn.info.backend_pid)

    def seconds(self) -> float:
        """Return what its processes took so far, those that have ended too."""
        server = self._backend.parent()
        assert server is not None, "a backend has a server"
        ended = server.cpu_times()
        return float(
            ended.children_user
            + ended.children_system
            + sum(sum(process.cpu_times()[:2]) for process in server.children())
        )
