"""Reading, parsing and COPY of an archive's messages, beside COPY alone of the same ready-made rows.

Both fill the same table with all its indexes, on the same server, in turns; the table is emptied before each.
The COPY has one row a message in memory as the text that goes over the wire. Run: `python -m bench.load`.
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.report import measured, write
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.steps.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate

LOG = logging.getLogger("bench.load")
_COLUMNS = """
    SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = 'chat_messages'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


def _empty(conn: Connection) -> None:
    conn.execute("TRUNCATE chat_messages")
    conn.execute("UPDATE chat_files SET loaded_hash = NULL, processing_status = 'pending'")
    conn.execute("VACUUM ANALYZE chat_files")
    conn.execute("CHECKPOINT")


def _load(conn: Connection, archive: ChatArchive) -> tuple[float, int]:
    _empty(conn)
    started, messages = time.perf_counter(), 0
    for month in archive.months():
        messages += load_month(conn, archive, month, LoadOptions(), log=LOG).messages_inserted
    return time.perf_counter() - started, messages


def _copy(conn: Connection, columns: str, rows: list[bytes]) -> float:
    _empty(conn)
    started = time.perf_counter()
    with conn.cursor() as cursor, cursor.copy(f"COPY chat_messages ({columns}) FROM STDIN") as copy:
        for data in rows:
            copy.write(data)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--messages", type=float, default=28, help="median messages a file")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bl-") as folder:
        sample = ["sample", "--out", f"{folder}/a", "--files", str(arguments.files)]
        sample += ["--messages", str(arguments.messages), "--months", "2025-01..2025-04"]
        program = Path(sys.executable).parent / "whatsapp-pipeline"
        subprocess.run([str(program), *sample], check=True, stdout=subprocess.DEVNULL)
        url = server_url(Path(folder) / "l", "bench")
        migrate(url)
        archive = ChatArchive(f"{folder}/a/organized_whatsapp_chats")
        with connect(url) as conn:
            for month in archive.months():
                index_month(conn, archive, month, IndexOptions(), log=LOG)
            _compare(conn, archive, arguments.runs)


def _compare(conn: Connection, archive: ChatArchive, runs: int) -> None:
    loads, copies = [], []
    _load(conn, archive)  # both sides find warm files and a warm server
    row = conn.execute(_COLUMNS).fetchone()
    assert row is not None
    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY (SELECT {row[0]} FROM chat_messages ORDER BY id) TO STDOUT") as out,
    ):
        rows = [bytes(data) for data in out]
    messages = len(rows)
    peak = 0.0
    for _ in range(runs):
        copies.append(messages / _copy(conn, row[0], rows))
        seconds, loaded = _load(conn, archive)
        assert loaded == messages, (loaded, messages)
        loads.append(messages / seconds)
        peak = max(peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    limit = statistics.median(copies)
    times = limit / statistics.median(loads)
    print(
        write(
            "load",
            "Loading messages: read, parse and COPY beside COPY alone",
            [
                measured("COPY of ready-made rows", "messages/s", copies, reference=limit),
                measured(
                    "chat_messages (read, parse, COPY)", "messages/s", loads, reference=limit, memory_mb=peak,
                    note="memory includes the ready-made rows",
                ),
            ],
            command="python -m bench.load",
            notes=[f"{messages:,} messages; {times:.2f} times COPY, target ≤ 1.30."],
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
