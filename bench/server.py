"""Processor time of the database server, of all its processes together."""

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
            + sum(_seconds_of(process) for process in server.children())
        )


def _seconds_of(process: psutil.Process) -> float:
    """Return the processor seconds of one server process; 0 when it ended since it was listed.

    The server's own `children_*` counters hold its seconds from then on.
    """
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
