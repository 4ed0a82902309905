"""What a dry run says it would change."""

from __future__ import annotations

from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.operations import dry_run_diff as difference


def _changes(conn: Connection) -> dict[tuple[str, str], tuple[int, tuple[str, ...]]]:
    return {(c.what, c.change): (c.count, c.examples) for c in difference.list_changes(conn)}


def test_every_kind_of_change_is_counted_with_masked_examples(conn: Connection) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Maria Souza'), (2, 'Joao Lima')")
        conn.execute("INSERT INTO ordens_servico (id) VALUES (9)")
        conn.execute(
            """
            INSERT INTO chat_files (filename, file_path, month, title, id_contato, match_status, match_method)
            VALUES ('a', 'a', '2025-01', '+55 41 99999-0001', 1, 'linked', 'name_match'),
                   ('b', 'b', '2025-01', 'Maria Souza', 1, 'linked', 'name_match'),
                   ('c', 'c', '2025-01', 'Joao Lima', NULL, 'unmatched', NULL)
            """
        )
        conn.execute(
            "INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count)"
            " SELECT id, 1, now(), now(), 1 FROM chat_files"
        )
        difference.remember(conn)
        assert difference.list_changes(conn) == []
        conn.execute("UPDATE contatos SET nome = 'M' WHERE id = 1")
        conn.execute("INSERT INTO contatos (id) VALUES (3)")
        conn.execute("UPDATE chat_files SET id_contato = 2 WHERE file_path = 'a'")
        conn.execute(
            "UPDATE chat_files SET id_contato = NULL, match_status = 'unmatched' WHERE file_path = 'b'"
        )
        conn.execute(
            "UPDATE chat_files SET id_contato = 2, match_status = 'linked', match_method = 'name_match',"
            " match_confidence = 0.97 WHERE file_path = 'c'"
        )
        conn.execute(
            "UPDATE chat_sessions SET id_ordem_servico = 9 WHERE id_chat_file ="
            " (SELECT id FROM chat_files WHERE file_path = 'c')"
        )
        conn.execute("INSERT INTO chat_files (filename, file_path, month) VALUES ('d', 'd', '2025-02')")
        conn.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE file_path = 'b'")
        found = _changes(conn)
        assert {key: count for key, (count, _) in found.items()} == {
            ("contacts", "changed"): 1,
            ("contacts", "inserted"): 1,
            ("chats", "inserted"): 1,
            ("chats", "vanished"): 1,
            ("links to contacts", "changed"): 1,
            ("links to contacts", "linked"): 1,
            ("links to contacts", "unlinked"): 1,
            ("links to orders", "linked"): 1,
        }
        assert found["links to contacts", "linked"][1] == (
            "2025-01 J•••• L••••: unmatched → contact 2 (name_match 0.97)",
        )
        named = {(c.what, c.change): c.examples for c in difference.list_changes(conn, show_names=True)}
        assert named["links to contacts", "linked"] == (
            "2025-01 Joao Lima: unmatched → contact 2 (Joao Lima) (name_match 0.97)",
        )
        everything = str(found)
        assert "Maria" not in everything
        assert "99999-0001" not in everything


def test_examples_are_few(conn: Connection) -> None:
    with conn.transaction(force_rollback=True):
        difference.remember(conn)
        conn.execute("INSERT INTO contatos (id) SELECT n FROM generate_series(1, 50) n")
        count, examples = _changes(conn)["contacts", "inserted"]
        assert count == 50
        assert len(examples) == difference.EXAMPLES
