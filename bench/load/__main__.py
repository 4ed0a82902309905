"""Reading, parsing and COPY of an archive's messages, beside COPY alone of the same ready-made rows.

Both fill the same table with all its indexes, on the same server, in turns; the table is emptied before each.
The competitor is one COPY of a file in the binary format, which the server reads fastest (0.6 µs a row, text
0.9, CSV 1.0). Run: `python -m bench.load`.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench.load.indexed import index
from bench.report import Row, measured, write
from bench.server import ServerClock
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, MessageLoading
from whatsapp_pipeline.store.connection import Connection, connect

LOG = logging.getLogger("bench.load")
# The same files in one month, and in four that are loaded one after the other.
_MONTHS = {"one month": "2025-01..2025-01", "four months": "2025-01..2025-04"}
_COLUMNS = """
    SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = 'chat_messages'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


@dataclass
class _Contestant:
    """Seconds of one way to fill the table, and the processor's: ours, and the server's."""

    wall: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)

    def run(self, conn: Connection, fill: Callable[[], None]) -> None:
        """Empty the table and time filling it."""
        conn.execute("TRUNCATE chat_messages")
        conn.execute("UPDATE chat_files SET loaded_hash = NULL, processing_status = 'pending'")
        conn.execute("VACUUM ANALYZE chat_files")
        conn.execute("CHECKPOINT")
        server = ServerClock(conn)
        started = time.perf_counter(), time.process_time(), server.seconds()
        fill()
        self.wall.append(time.perf_counter() - started[0])
        self.own.append(time.process_time() - started[1])
        self.server.append(server.seconds() - started[2])

    @property
    def note(self) -> str:
        """Say whose processor was how busy."""
        own, server = statistics.median(self.own), statistics.median(self.server)
        return f"processor: {own:.2f} s ours, {server:.2f} s the server's"


def _load(conn: Connection, archive: ChatArchive) -> None:
    months = archive.months()
    with MessageLoading(archive, months, LoadOptions(), log=LOG) as loading:
        for month in months:
            loading.load(conn, month)


def _export(conn: Connection, columns: str, path: Path) -> None:
    with (
        path.open("wb") as file,
        conn.cursor() as cursor,
        cursor.copy(
            f"COPY (SELECT {columns} FROM chat_messages ORDER BY id) TO STDOUT (FORMAT binary)"
        ) as rows,
    ):
        for data in rows:
            file.write(data)


def _count(conn: Connection) -> int:
    row = conn.execute("SELECT count(*) FROM chat_messages").fetchone()
    return int(row[0]) if row else 0


def _copy(conn: Connection, columns: str, path: Path) -> None:
    statement = f"COPY chat_messages ({columns}) FROM STDIN (FORMAT binary)"
    with path.open("rb") as file, conn.cursor() as cursor, cursor.copy(statement) as copy:
        while data := file.read(1 << 20):
            copy.write(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--messages", type=float, default=28, help="median messages a file")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    rows, notes = list[Row](), list[str]()
    for words, months in _MONTHS.items():
        with tempfile.TemporaryDirectory(prefix="bl-") as folder:
            sample = ["sample", "--out", f"{folder}/a", "--files", str(arguments.files)]
            sample += ["--messages", str(arguments.messages), "--months", months]
            program = Path(sys.executable).parent / "whatsapp-pipeline"
            subprocess.run([str(program), *sample], check=True, stdout=subprocess.DEVNULL)
            url = server_url(Path(folder) / "l", "bench")
            root = f"{folder}/a/organized_whatsapp_chats"
            # In a process of its own: its memory is not the loader's.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
                other.submit(index, url, root).result()
            with connect(url) as conn:
                compared = _compare(conn, words, ChatArchive(root), Path(folder) / "rows", arguments.runs)
        rows += compared[0]
        notes.append(compared[1])
    title = "Loading messages: read, parse and COPY beside COPY alone"
    print(write("load", title, rows, command="python -m bench.load", notes=notes))


def _compare(
    conn: Connection, words: str, archive: ChatArchive, path: Path, runs: int
) -> tuple[list[Row], str]:
    copying, loading = _Contestant(), _Contestant()
    _Contestant().run(conn, lambda: _load(conn, archive))  # both sides find warm files and a warm server
    row = conn.execute(_COLUMNS).fetchone()
    assert row is not None
    columns = str(row[0])
    _export(conn, columns, path)
    messages = _count(conn)
    for _ in range(runs):
        copying.run(conn, lambda: _copy(conn, columns, path))
        loading.run(conn, lambda: _load(conn, archive))
        assert _count(conn) == messages
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rates = [[messages / seconds for seconds in contestant.wall] for contestant in (copying, loading)]
    limit = statistics.median(rates[0])
    times = statistics.median(loading.wall) / statistics.median(copying.wall)
    rows = [
        measured(
            f"{words}: COPY of ready-made rows", "messages/s", rates[0], reference=limit, note=copying.note
        ),
        measured(
            f"{words}: read, parse, COPY",
            "messages/s",
            rates[1],
            reference=limit,
            memory_mb=peak,
            note=loading.note,
        ),
    ]
    return rows, f"{words}: {messages:,} messages, {times:.2f} times COPY, target ≤ 1.30."


if __name__ == "__main__":
    main()
