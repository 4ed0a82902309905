"""A million messages: how long summaries, an incremental run and a search take, and how much memory.

    DATABASE_URL=… python -m bench.summaries.scale [--messages 1000000]

Makes a database of its own on that server (or on the embedded one) and drops it afterwards.
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.report import measured, write
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.truth.text_accuracy import HELDOUT_SENTIMENT, HELDOUT_TOPICS, read_pairs

_NAME = "bench_summaries"
_PER_CHAT = 60


def fill(conn: Connection, messages: int) -> None:
    """Invent chats: sentences of the evaluation sets, three in four made unlike all others."""
    rng = random.Random(7)
    texts = [t for f in (HELDOUT_SENTIMENT, HELDOUT_TOPICS) for _, t in read_pairs(f)]
    chats = messages // _PER_CHAT
    conn.execute("INSERT INTO contatos (id, nome) SELECT g, 'C' || g FROM generate_series(1, %s) g", (chats,))
    conn.execute(
        "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, equipamento, data_emissao,"
        " id_contato) SELECT g, g::text, (g %% 8)::text, 'Notebook', '2024-01-01'::date + (g %% 365)::int, g"
        " FROM generate_series(1, %s) g",
        (chats,),
    )
    conn.execute(
        "INSERT INTO chat_files (filename, file_path, month, id_contato, match_status, processing_status,"
        " id_ordem_servico, first_message_at, last_message_at)"
        " SELECT g::text, g::text, '2024-01', g, 'linked', 'loaded', g, '2024-01-01', '2024-12-01'"
        " FROM generate_series(1, %s) g",
        (chats,),
    )
    columns = "id_chat_file, ordinal, message_timestamp, direction, type, message_text, line, body_hash"
    with conn.cursor().copy(f"COPY chat_messages ({columns}) FROM STDIN") as copy:
        for chat in range(1, chats + 1):
            at = 1_704_067_200.0 + rng.random() * 2e7
            for ordinal in range(_PER_CHAT):
                at += rng.expovariate(1 / 1800) if rng.random() < 0.93 else rng.expovariate(1 / 1e6)
                text = rng.choice(texts)
                if rng.random() < 0.75:
                    text += f" {rng.choice(texts).lower()} {rng.randrange(10**7)}"
                if rng.random() < 0.005:
                    text += " tela quebrada"
                stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
                side = "from" if rng.random() < 0.55 else "to"
                copy.write_row((chat, ordinal, stamp, side, "text", text, ordinal, rng.getrandbits(60)))
    conn.execute("VACUUM ANALYZE chat_messages")


def search_times(conn: Connection) -> list[float]:
    """Milliseconds of searches for a term in half a percent of the messages."""
    out = []
    for words in ("quebrada tela", '"tela quebrada"', "telas quebradas", "tela quebrada") * 5:
        start = time.perf_counter()
        conn.execute("SELECT * FROM search_messages(%s)", (words,)).fetchall()
        out.append(1000 * (time.perf_counter() - start))
    return out


def scan_times(conn: Connection) -> list[float]:
    """Milliseconds of the competitor: a search in every message with ILIKE."""
    out = []
    for _ in range(3):
        start = time.perf_counter()
        conn.execute(
            "SELECT id FROM chat_messages WHERE message_text ILIKE '%%tela quebrada%%'"
            " ORDER BY message_timestamp DESC LIMIT 20"
        ).fetchall()
        out.append(1000 * (time.perf_counter() - start))
    return out


def measure(conn: Connection, messages: int) -> str:
    """Fill the database, summarise and search it; return the table, which is written to bench/results too."""
    log = logging.getLogger("bench")
    fill(conn, messages)
    rows = []
    for title, options in (
        ("first summaries of all", SummaryOptions()),
        ("again, nothing new", SummaryOptions()),
        ("rebuild of all", SummaryOptions(rebuild=True)),
    ):
        start = time.perf_counter()
        report = summarize(conn, options, log=log)
        seconds = time.perf_counter() - start
        rows.append(measured(title, "s", [seconds], note=f"{report.messages_measured:,} messages measured"))
    searches, scans = search_times(conn), scan_times(conn)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows += [
        measured(
            "search, top 20 by rank",
            "ms",
            searches,
            reference=median(scans),
            memory_mb=peak,
            note=f"p95 {quantiles(searches, n=20)[-1]:,.0f} ms; memory: the peak, summaries included",
        ),
        measured(
            "the competitor: ILIKE",
            "ms",
            scans,
            reference=median(scans),
            note="no rank, no inflection",
        ),
    ]
    return write(
        "summaries",
        "Summaries and search",
        rows,
        command=f"python -m bench.summaries.scale --messages {messages}",
        notes=[f"{messages:,} messages. Targets for a million: under 120 s, 500 MB; search 100 ms at most."],
    )


def main() -> None:
    """Measure in a database of this run's own and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--url", help="server; default: an embedded one of its own")
    arguments = parser.parse_args()
    base = arguments.url or server_url(Path(tempfile.mkdtemp(prefix="wp-")), "postgres")
    with psycopg.connect(base, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_NAME)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_NAME)))
        url = make_conninfo(base, dbname=_NAME)
        migrate(url)
        with connect(url) as conn:
            print(measure(conn, arguments.messages))
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_NAME)))


if __name__ == "__main__":
    main()
