"""Migrating: twice, at once, and over what the user already has."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from whatsapp_pipeline.store import exceptions
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


def _migrate_through(url: str, last: str, folder: Path) -> None:
    """Bring a database to where it was when `last` was the newest migration."""
    folder.mkdir()
    for path in MIGRATIONS_DIR.glob("*.sql"):
        if path.name[:4] <= last:
            shutil.copy(path, folder)
    migrate(url, folder)


def test_a_database_with_findings_gets_the_shorter_key(empty_database_url: str, tmp_path: Path) -> None:
    _migrate_through(empty_database_url, "0007", tmp_path / "migrations")
    with connect(empty_database_url) as conn:
        conn.execute("""
            INSERT INTO exceptions (stage, file_path, chat_number, month, line, kind, severity, detail)
            SELECT 'chat_messages', 'a.txt', n, '2025-01', nullif(n, 2), 'odd', 'warning', 'why'
            FROM (VALUES (1), (2), (NULL)) AS n (n)""")
        before = conn.execute("SELECT * FROM exceptions ORDER BY id").fetchall()
        migrate(empty_database_url)
        assert conn.execute("SELECT * FROM exceptions ORDER BY id").fetchall() == before
        same = exceptions.list_findings(conn, month=None, kind=None, limit=9)
        assert exceptions.replace_for_files(conn, "chat_messages", ["a.txt"], same) == 3
        assert conn.execute("SELECT * FROM exceptions ORDER BY id").fetchall() == before


def test_roles_that_read_conversations_read_what_a_migration_adds_of_them(
    empty_database_url: str, tmp_path: Path
) -> None:
    _migrate_through(empty_database_url, "0008", tmp_path / "migrations")
    with connect(empty_database_url) as conn:
        conn.execute('CREATE ROLE "Reads It"')
        try:
            conn.execute('GRANT SELECT ON conversation_contact_messages TO "Reads It"')
            migrate(empty_database_url)
            conn.execute('SET ROLE "Reads It"')
            assert conn.execute("SELECT count(*) FROM conversation_only_messages").fetchone() == (0,)
        finally:
            conn.execute("RESET ROLE")
            conn.execute('DROP OWNED BY "Reads It"')
            conn.execute('DROP ROLE "Reads It"')


def test_a_number_of_mexico_or_argentina_gets_its_one_key(empty_database_url: str, tmp_path: Path) -> None:
    _migrate_through(empty_database_url, "0036", tmp_path / "migrations")
    with connect(empty_database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Ana'), (2, 'Bia'), (3, 'Caio')")
        conn.execute("""
            WITH c AS (INSERT INTO conversations (external_id, phone_number_id) VALUES ('5215512340678', 'a')
                       RETURNING id)
            INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, conversation_id)
            SELECT 'a', '5215512340678', 'wa:5215512340678', 'wa_id', id FROM c""")
        conn.execute("""
            INSERT INTO leads (phone_number_id, canonical, wa_id)
            VALUES ('a', 'wa:5491143210678', '5491143210678'), ('a', 'wa:541143210678', '541143210678'),
                   ('b', 'wa:5491143210678', '5491143210678')""")
        for target, contact in (("+5215512340678", 1), ("+5491143210678", 2), ("+541143210678", 3)):
            conn.execute(
                "INSERT INTO link_overrides (target_kind, target, decision, id_contato, reason)"
                " VALUES ('phone', %s, 'contact', %s, 'me ligou')",
                (target, contact),
            )
        migrate(empty_database_url)
        names = conn.execute("SELECT value, canonical, phone_key FROM conversation_identities").fetchall()
        assert names == [("5215512340678", "wa:525512340678", "+525512340678")]
        leads = conn.execute("SELECT phone_number_id, canonical FROM leads ORDER BY id").fetchall()
        assert leads == [("a", "wa:5491143210678"), ("a", "wa:541143210678"), ("b", "wa:541143210678")]
        decisions = conn.execute(
            "SELECT target, id_contato FROM link_overrides WHERE removed_at IS NULL ORDER BY id_contato"
        ).fetchall()
        assert decisions == [("+525512340678", 1), ("+541143210678", 3)]


def test_edits_and_revokes_that_came_before_are_applied(empty_database_url: str, tmp_path: Path) -> None:
    _migrate_through(empty_database_url, "0010", tmp_path / "migrations")
    with connect(empty_database_url) as conn:
        conn.execute("""
            WITH c AS (INSERT INTO conversations (external_id, phone_number_id) VALUES ('5541999990000', 'a')
                       RETURNING id)
            INSERT INTO conversation_messages (conversation_id, role, type, text, origin, phone_number_id,
                                               provider_id, message_key, sent_at, reply_to_provider_id)
            SELECT c.id, 'user', m.type, m.text, 'message', 'a', m.key, m.key, now(), m.target
            FROM c, (VALUES ('text', 'dia 12', 'w1', NULL), ('text', 'oi', 'w2', NULL),
                            ('edit', '[edit: dia 21]', 'e1', 'w1'), ('revoke', '[revoke]', 'r1', 'w2'))
                     AS m (type, text, key, target)""")
        migrate(empty_database_url)
        assert conn.execute("""
            SELECT text, original_text, edited_at IS NOT NULL, revoked_at IS NOT NULL
            FROM conversation_messages WHERE type = 'text' ORDER BY provider_id""").fetchall() == [
            ("dia 21", "dia 12", True, False),
            ("oi", None, False, True),
        ]


def test_stored_methods_get_their_new_names(empty_database_url: str, tmp_path: Path) -> None:
    _migrate_through(empty_database_url, "0016", tmp_path / "migrations")
    before = [
        "phone_exact",
        "phone_normalized",
        "phone_telefone",
        "phone_header",
        "order_number",
        "name",
        "equipment",
        "override",
        "none",
        None,
    ]
    with connect(empty_database_url) as conn:
        conn.execute("INSERT INTO contatos (id) VALUES (1)")
        conn.execute(
            """INSERT INTO chat_files (filename, file_path, month, chat_number, match_method)
               SELECT 'a', 'a', '2025-01', n, method FROM unnest(%s::text[]) WITH ORDINALITY u (method, n)""",
            (before,),
        )
        conn.execute("""
            INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,
                                       order_match_method)
            SELECT (SELECT min(id) FROM chat_files), n, now(), now(), 1, method
            FROM unnest('{reference,model,window_15d,none}'::text[]) WITH ORDINALITY u (method, n)""")
        conn.execute("""
            INSERT INTO match_candidates (id_chat_file, rank, id_contato, confidence, method, evidence)
            SELECT min(id), 1, 1, 0.9, 'phone_telefone',
                   '[{"name": "phone_telefone", "words": "phone_telefone"}]' FROM chat_files""")
        migrate(empty_database_url)
        methods = conn.execute("SELECT match_method FROM chat_files ORDER BY chat_number").fetchall()
        assert [row[0] for row in methods] == [
            "exact_phone",
            "normalized_phone",
            "secondary_phone",
            "phone_header",
            "order_number",
            "name_match",
            "equipment_match",
            "override",
            None,
            None,
        ]
        sessions = conn.execute("SELECT order_match_method FROM chat_sessions ORDER BY number").fetchall()
        assert [row[0] for row in sessions] == ["direct_os_ref", "model", "temporal_match", None]
        assert conn.execute("SELECT method, evidence FROM match_candidates").fetchone() == (
            "secondary_phone",
            [{"name": "secondary_phone", "words": "phone_telefone"}],
        )
