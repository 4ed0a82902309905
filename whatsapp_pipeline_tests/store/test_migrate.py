"""Migrating: twice, at once, and over what the user already has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.migrate import MIGRATIONS_DIR, migrate


def test_every_table_is_there(conn: Connection) -> None:
    tables = {row[0] for row in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert {"contatos", "ordens_servico", "chat_files", "chat_messages", "exceptions"} <= tables


def test_processes_that_migrate_at_once_apply_each_file_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(migrate, [empty_database_url] * 4) for name in names]
    assert sorted(applied) == sorted(path.name for path in MIGRATIONS_DIR.glob("*.sql"))
    assert migrate(empty_database_url) == []
    with connect(empty_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM chat_files").fetchone() == (0,)
