"""What a month costs: as many statements for many files as for few, and no more memory.

Statements are counted on the wire, as libpq traces it; times are the bench's.
"""

from __future__ import annotations

import logging
import os
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions
from whatsapp_pipeline.steps.summaries.summarize import SummaryOptions, summarize
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.block_files import block, talk, write_chat
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.steps.links.linking_rows import add_contact, add_order
from whatsapp_pipeline_tests.truth.linked_months import link_month, link_orders_month

LOG = logging.getLogger(__name__)
MONTH = "2025-01"
FEW, MANY = 12, 120
Step = Callable[[Connection, ChatArchive], object]
# One batch, one chunk, one writer: what is counted is the cost inside one, of which a month has a number by
# its files.
STEPS: dict[str, Step] = {
    "index": lambda conn, archive: index_month(conn, archive, MONTH, IndexOptions(workers=1), log=LOG),
    "link": lambda conn, _: link_month(conn, MONTH, LinkOptions(), log=LOG),
    "orders": lambda conn, _: link_orders_month(conn, MONTH, OrderLinkOptions(), log=LOG),
    "load": lambda conn, archive: load_month(
        conn, archive, MONTH, LoadOptions(batch_size=MANY, writers=1), log=LOG
    ),
    "summarize": lambda conn, _: summarize(conn, SummaryOptions(), log=LOG),
}


def _phone(number: int) -> str:
    return f"+55 41 9{number:04d}-0{number % 1000:03d}"


def _write_archive(root: Path, files: int, messages: int) -> ChatArchive:
    for number in range(files):
        phone = _phone(number)
        write_chat(
            root, block(talk(messages), label=phone), title=phone, time=f"2025-01-05 10 {number % 60:02d} 00"
        )
    return ChatArchive(str(root))


def _fill(conn: Connection, contacts: int) -> None:
    for number in range(contacts):
        add_contact(conn, number + 1, f"Contato {number}", _phone(number)[4:])
        add_order(conn, number + 1, number + 1, equipment="notebook")
    normalize_contacts(conn, default_area_code=None, log=LOG)


def _statements(conn: Connection, step: Callable[[], object]) -> int:
    """Count the statements that a step sends; the data of a COPY is none."""
    with tempfile.TemporaryFile("w+") as trace:
        conn.pgconn.trace(trace.fileno())
        step()
        conn.pgconn.untrace()
        os.lseek(trace.fileno(), 0, os.SEEK_SET)
        return sum("\tF\t" in line and ("\tQuery\t" in line or "\tExecute\t" in line) for line in trace)


def _count(url: str, archive: ChatArchive) -> dict[str, int]:
    """Run every step over a database of its own; return its statements."""
    with connect(url) as conn:
        _fill(conn, MANY)
        return {name: _statements(conn, partial(step, conn, archive)) for name, step in STEPS.items()}


@pytest.fixture(scope="module")
def counted(
    tmp_path_factory: pytest.TempPathFactory, admin_url: str, migrated_template: str
) -> list[dict[str, int]]:
    """Statements by step, for FEW and for MANY files."""
    found = []
    for files in (FEW, MANY):
        name = f"test_cost_{files}_{os.getpid()}"
        archive = _write_archive(tmp_path_factory.mktemp("archive"), files, 6)
        found.append(_count(create_database(admin_url, name, migrated_template), archive))
        drop_database(admin_url, name)
    return found


@pytest.mark.parametrize("step", STEPS)
def test_many_files_take_as_many_statements_as_few(counted: list[dict[str, int]], step: str) -> None:
    few, many = (statements[step] for statements in counted)
    assert 0 < few < 120
    assert many == few


@pytest.fixture
def empty(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        yield conn


def _peak(step: Callable[[], Any]) -> int:
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("step", ["index", "load"])
def test_a_file_more_takes_no_memory_but_its_row(empty: Connection, tmp_path: Path, step: str) -> None:
    """Forty messages take some 40 kB in memory, and there are more of them than may be read ahead."""
    peaks = []
    for files in (1000, 2000):
        archive = _write_archive(tmp_path / str(files), files, 40)
        if step == "load":
            STEPS["index"](empty, archive)
        peaks.append(_peak(partial(STEPS[step], empty, archive)))
        empty.execute("TRUNCATE chat_files CASCADE")
    small, large = peaks
    assert (large - small) / 1000 < 4_000, (small, large)
