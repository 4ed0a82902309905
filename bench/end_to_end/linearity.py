"""Ten times the archive, ten times the time: `python -m bench.end_to_end.linearity [--messages 100000 …]`.

Runs the chain over archives of these many messages, files and contacts in proportion, and tells the size of
tables and indexes afterwards. What docs/scale.md reckons with.
"""

from __future__ import annotations

import argparse
import os
import sys

from bench import report
from bench.end_to_end.__main__ import LOADING, WORK, Run, archive, chain, fresh_database
from whatsapp_pipeline import settings
from whatsapp_pipeline.embedded import PIPELINE_DATABASE, server_url
from whatsapp_pipeline.store.connection import Connection, connect

MESSAGES_A_FILE = 50
CONTACTS_A_FILE = 2


def _sizes(conn: Connection) -> str:
    """Say how large the messages' table, its indexes and the whole database are."""
    row = conn.execute(
        """SELECT (SELECT count(*) FROM chat_messages), pg_table_size('chat_messages') >> 20,
                  pg_indexes_size('chat_messages') >> 20, pg_database_size(current_database()) >> 20"""
    ).fetchone()
    assert row is not None
    count, table, indexes, database = row
    return f"{count:,} messages: table {table:,} MB, its indexes {indexes:,} MB, database {database:,} MB"


def main() -> None:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000])
    arguments = parser.parse_args()
    local_dir = WORK / "server"
    url = server_url(local_dir, PIPELINE_DATABASE)
    environment = {
        **os.environ,
        "PIPELINE_LOCAL_DIR": str(local_dir),
        "DAGSTER_HOME": str(settings.PROJECT_ROOT),
    }
    environment.pop("DATABASE_URL", None)
    rows: list[report.Row] = []
    for messages in arguments.messages:
        files = messages // MESSAGES_A_FILE
        root, months = archive(files, files * CONTACTS_A_FILE, messages, 12)
        fresh_database(url)
        run = chain(root, months, "plain", environment)
        with connect(url) as conn:
            rows += _rows(messages, files, run, _sizes(conn))
    command = "python -m bench.end_to_end.linearity " + " ".join(sys.argv[1:])
    print(report.write("linearity", "Ten times the archive", rows, command=command.strip()))


def _rows(messages: int, files: int, run: Run, sizes: str) -> list[report.Row]:
    millions = messages / 1e6
    loading = sum(run.seconds[step] for step in LOADING)
    own, server = (sum(spent[side] for spent in run.cpu.values()) for side in (0, 1))
    name = f"{messages:,} messages in {files:,} files"
    return [
        report.measured(f"{name}: index + link + orders + load", "s a million", [loading / millions]),
        report.measured(f"{name}: summaries", "s a million", [run.seconds["summaries"] / millions]),
        report.measured(
            f"{name}: everything",
            "s a million",
            [run.total / millions],
            memory_mb=run.memory_mb,
            note=f"processor: {own / millions:.0f} s ours, {server / millions:.0f} s the server's; {sizes}",
        ),
    ]


if __name__ == "__main__":
    main()
