"""No query of a month's run reads a large table from end to end.

With sequential scans made expensive the planner takes any index that fits; a scan that is left has none. The
server counts them, so no statement has to be listed here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.erp.source import open_erp_source
from whatsapp_pipeline.sandbox.archive import write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.contacts.erp_sync import sync_contacts, sync_orders
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinkOptions
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.truth.linked_months import link_month, link_orders_month

LOG = logging.getLogger(__name__)
# They grow with the archive; contatos and ordens_servico are read whole on purpose, for the name model.
LARGE = ("chat_files", "chat_sessions", "chat_phones", "chat_messages", "match_candidates", "exceptions")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archive")
    write_sample(out, SampleOptions(seed=3, contacts=60, files=60, months=("2025-01", "2025-02")))
    return out


@pytest.fixture
def indexed_only(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        conn.execute("SET enable_seqscan = off")
        yield conn


def _month(conn: Connection, archive: Path, month: str) -> None:
    chats = ChatArchive(str(archive / "organized_whatsapp_chats"))
    index_month(conn, chats, month, IndexOptions(workers=1), log=LOG)
    link_month(conn, month, LinkOptions(name_fit_titles=300), log=LOG)
    link_orders_month(conn, month, OrderLinkOptions(), log=LOG)
    load_month(conn, chats, month, LoadOptions(), log=LOG)


def _scans(conn: Connection) -> dict[str, int]:
    conn.execute("SELECT pg_stat_force_next_flush()")
    conn.execute("SELECT pg_stat_clear_snapshot()")
    return dict(
        conn.execute(
            sql.SQL("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY(%s)"),
            (list(LARGE),),
        )
    )


def test_a_months_run_scans_no_large_table(indexed_only: Connection, archive: Path) -> None:
    conn = indexed_only
    with open_erp_source(Settings(), str(archive / "erp")) as source:
        sync_contacts(conn, source, full=False, backup_dir=None, log=LOG)
        sync_orders(conn, source, since=None, backup_dir=None, log=LOG)
    normalize_contacts(conn, default_area_code=None, log=LOG)
    _month(conn, archive, "2025-01")
    before = _scans(conn)
    assert set(before) == set(LARGE)
    _month(conn, archive, "2025-02")
    _month(conn, archive, "2025-02")
    assert {table: n - before[table] for table, n in _scans(conn).items() if n != before[table]} == {}
