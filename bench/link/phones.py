"""Phone titles against a large table: normalizing 500k contacts, then linking a month of 100k files.

    python -m bench.link.phones [--contacts 500000] [--files 100000] [--seed 1]

Competitors in the same run: `phonenumbers.parse` for reading numbers, and the plan's `LIKE` on the last eight
digits for matching, on a sample (it reads the whole table for each file).
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import phonenumbers
from psycopg.conninfo import make_conninfo

from bench.report import Row, measured, write
from whatsapp_pipeline.domain.phones import AREA_CODES, parse_phones
from whatsapp_pipeline.domain.titles import parse_title
from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.sandbox import numbers
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.truth.linked_months import link_month

LOG = logging.getLogger(__name__)
MONTH = "2025-01"


@contextmanager
def _database() -> Iterator[Connection]:
    url = server_url(Path(tempfile.mkdtemp(prefix="wp-")), "postgres")
    with connect(url) as conn:
        conn.execute("CREATE DATABASE bench TEMPLATE template0")
    url = make_conninfo(url, dbname="bench")
    migrate(url)
    with connect(url) as conn:
        yield conn


def _typed(rng: random.Random, national: str) -> str:
    area, rest = national[:2], national[2:]
    short = numbers.without_ninth_digit(national)
    shape = rng.random()
    if shape < 0.17:
        return f"(xx) {rest[:-4]}-{rest[-4:]}"
    if shape < 0.60:
        return f"({area}) {rest[:-4]}-{rest[-4:]}"
    if shape < 0.75:
        return f"({area}) {short[2:-4]}-{short[-4:]}"
    return national if shape < 0.9 else f"0{area} {rest}"


def _fill(conn: Connection, contacts: int, files: int, seed: int) -> list[str]:
    """Write contacts and phone-titled chats, one in five of nobody's; return the contacts' mobiles."""
    rng = random.Random(seed)
    # Mobiles of the fictitious shape are few; the area codes of the whole country make room for more.
    areas = sorted(AREA_CODES)
    mobiles = [f"{rng.choice(areas)}9{rng.randint(60000000, 99999999)}" for _ in range(contacts)]
    with (
        conn.cursor() as cursor,
        cursor.copy("COPY contatos (id, nome, celular, telefone) FROM STDIN") as copy,
    ):
        for id_, mobile in enumerate(mobiles, 1):
            landline = numbers.landline(rng) if rng.random() < 0.3 else None
            copy.write_row((id_, f"Cliente {id_}", _typed(rng, mobile)[:20], landline))
    columns = "filename, file_path, month, title, phone_number, phone_key"
    with conn.cursor() as cursor, cursor.copy(f"COPY chat_files ({columns}) FROM STDIN") as copy:
        for number in range(files):
            title = numbers.international(rng.choice(mobiles) if rng.random() < 0.8 else numbers.mobile(rng))
            phone = parse_title(title).phone
            key = phone.key if phone else None
            copy.write_row((f"{number}.txt", f"2025/01/{number}.txt", MONTH, title, title, key))
    conn.execute("ANALYZE")
    return mobiles


def _seconds(action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    action()
    return clock() - started


def _reading(mobiles: list[str], seed: int) -> tuple[float, float]:
    """Return numbers a second of processor time by our rules and by phonenumbers."""
    rng = random.Random(seed)
    texts = [_typed(rng, mobile) for mobile in mobiles[:100_000]]
    ours = _seconds(lambda: [parse_phones(text) for text in texts], time.process_time)
    few = texts[:10_000]
    theirs = _seconds(lambda: [_by_library(text) for text in few], time.process_time)
    return len(texts) / ours, len(few) / theirs


def _by_library(text: str) -> object:
    try:
        return phonenumbers.parse(text, "BR")
    except phonenumbers.NumberParseException:
        return None


def _by_like(conn: Connection, files: int) -> float:
    """Return seconds for `files` files of the plan's `LIKE '%last8'`, one statement a file."""
    titles = conn.execute("SELECT phone_key FROM chat_files ORDER BY id LIMIT %s", (files,)).fetchall()
    statement = "SELECT id FROM contatos WHERE regexp_replace(celular, '\\D', '', 'g') LIKE %s LIMIT 1"
    return _seconds(lambda: [conn.execute(statement, (f"%{key[-8:]}",)).fetchall() for (key,) in titles])


def main() -> None:
    """Fill, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=500_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with _database() as conn:
        mobiles = _fill(conn, arguments.contacts, arguments.files, arguments.seed)
        ours, library = _reading(mobiles, arguments.seed)
        normalize = _seconds(lambda: normalize_contacts(conn, default_area_code=None, log=LOG))
        conn.execute("ANALYZE")
        unchanged = _seconds(lambda: normalize_contacts(conn, default_area_code=None, log=LOG))
        first = _seconds(lambda: link_month(conn, MONTH, LinkOptions(), log=LOG))
        again = _seconds(lambda: link_month(conn, MONTH, LinkOptions(), log=LOG))
        by_status = conn.execute(
            "SELECT match_status, count(*) FROM chat_files GROUP BY 1 ORDER BY 1"
        ).fetchall()
        like = _by_like(conn, 20) / 20 * arguments.files
    rows: list[Row] = [
        measured("read a number", "numbers/s", [ours], reference=library),
        measured("read a number, phonenumbers", "numbers/s", [library]),
        measured(f"normalize {arguments.contacts:,} contacts", "s", [normalize]),
        measured("normalize again, nothing changed", "s", [unchanged]),
        measured(f"link {arguments.files:,} files", "s", [first], reference=like),
        measured("link again, nothing changed", "s", [again]),
        measured("the plan's LIKE, a file at a time", "s", [like], note="extrapolated from 20 files"),
    ]
    command = f"python -m bench.link.phones --contacts {arguments.contacts} --files {arguments.files}"
    notes = ["Links: " + ", ".join(f"{count:,} {status}" for status, count in by_status) + "."]
    print(write("link_phones", "Phones", rows, command=command, notes=notes))


if __name__ == "__main__":
    main()
