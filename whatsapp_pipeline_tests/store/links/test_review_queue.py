"""The stored review queue equals a computation from the tables, whatever changed the tables."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from threading import Thread
from time import monotonic

import psycopg
import pytest
from psycopg import sql

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links.queue_refresh import refresh_month_at_end, repair_live, repair_month
from whatsapp_pipeline.store.links.review_pages import QueuedItem, count_items, queued_items

COLUMNS = (
    "source, id, session_number, status, id_contato, messages, first_at, last_at, round(value::numeric, 6)"
)
# Every kind of change that the pipeline, the console, an erasure or the user's own programs make.
CHANGES = Path(__file__).with_name("review_queue_changes.sql").read_text(encoding="utf-8").split(";")
STATUSES = ("pending", "linked", "proposed", "ambiguous", "unmatched", "manual", "group")
OF_SESSIONS = ("pending", "linked", "proposed", "unmatched", "manual")


def _fill(conn: Connection) -> None:
    conn.execute("INSERT INTO contatos (id, nome) SELECT n, 'Pessoa ' || n FROM generate_series(1, 9) n")
    conn.execute("INSERT INTO ordens_servico (id, id_contato) SELECT n, n FROM generate_series(1, 4) n")
    conn.execute(
        """
        INSERT INTO chat_files (filename, file_path, month, id_contato, match_status, message_count,
                                processing_status)
        SELECT 'c' || n, 'c' || n, '2025-01', n %% 9 + 1, (%s::text[])[1 + n %% 7], n, 'loaded'
          FROM generate_series(1, 20) n
        """,
        (list(STATUSES),),
    )
    conn.execute(
        """
        INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count,
                                   order_match_status)
        SELECT f.id, k, '2025-01-01', '2025-01-02', f.id + k, (%s::text[])[1 + (f.id + k) %% 5]
          FROM chat_files f, generate_series(1, 2) k
        """,
        (list(OF_SESSIONS),),
    )
    conn.execute(
        "INSERT INTO match_candidates SELECT f.id, r, f.id %% 9 + 1, 0.4 / r, 'm', '[]'"
        " FROM chat_files f, generate_series(1, 2) r",
        (),
    )
    conn.execute(
        "INSERT INTO order_candidates SELECT s.id, r, s.id %% 4 + 1, 0.4 / r, 'm', '[]'"
        " FROM chat_sessions s, generate_series(1, 2) r",
        (),
    )
    conn.execute(
        "INSERT INTO conversations (external_id, phone_number_id, match_status, id_contato)"
        " SELECT 'w' || n, 'shop', (%s::text[])[1 + n %% 6], n FROM generate_series(1, 8) n",
        (list(STATUSES),),
    )
    conn.execute(
        """
        INSERT INTO chat_sessions (id_conversation, number, started_at, ended_at, message_count,
                                   order_match_status)
        SELECT id, k, '2025-01-01', '2025-01-02', id, 'unmatched' FROM conversations, generate_series(1, 2) k
        """
    )
    conn.execute(
        """
        INSERT INTO conversation_messages (conversation_id, role, type, text, origin, phone_number_id,
                                           message_key, sent_at)
        SELECT c.id, 'user', 'text', 'x', 'message', 'shop', 'm' || c.id || '-' || n, '2025-01-01 12:00+00'
          FROM conversations c, generate_series(1, 3) n
        """
    )


def _differences(conn: Connection) -> list[tuple[object, ...]]:
    """Return the rows that either the stored or the computed queue has alone."""
    stored, computed = (f"SELECT {COLUMNS} FROM {name}" for name in ("review_queue", "review_doubts"))
    statement = f"(({stored}) EXCEPT ({computed})) UNION ALL (({computed}) EXCEPT ({stored}))"
    return conn.execute(statement.encode()).fetchall()


@pytest.mark.parametrize("seed", range(6))
def test_the_stored_queue_is_the_computed_one(fresh_database_url: str, seed: int) -> None:
    rng = random.Random(seed)
    with connect(fresh_database_url) as conn:
        _fill(conn)
        assert _differences(conn) == []
        assert conn.execute("SELECT count(DISTINCT source) FROM review_queue").fetchone() == (2,)
        for step in range(60):
            change = rng.choice(CHANGES)
            values = {"n": rng.randint(1, 9), "s": rng.choice(STATUSES), "o": rng.choice(OF_SESSIONS)}
            statement = change.format(**values)
            with contextlib.suppress(psycopg.IntegrityError):  # a link without its contact, say
                conn.execute(statement.encode())
            assert _differences(conn) == [], (step, statement)


def _all_pages(conn: Connection, limit: int) -> list[QueuedItem]:
    found: list[QueuedItem] = []
    while page := queued_items(conn, "rita", limit=limit, after=found[-1].place if found else None):
        found += page
    return found


def test_pages_of_any_size_have_every_item_once_in_the_same_order(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        _fill(conn)
        whole = _all_pages(conn, 1000)
        assert len(whole) == len({item.place for item in whole}) == count_items(conn) > 20
        assert [item.value for item in whole] == sorted((item.value for item in whole), reverse=True)
        for limit in (1, 3, 7):
            assert _all_pages(conn, limit) == whole


def test_a_session_waits_only_where_its_customer_has_an_order(fresh_database_url: str) -> None:
    """The user's own programs write orders; nothing tells the pipeline."""
    with connect(fresh_database_url) as conn:
        _fill(conn)
        conn.execute("DELETE FROM ordens_servico")

        def sessions() -> int:
            return sum(item.session_number is not None for item in queued_items(conn, "rita", limit=1000))

        assert sessions() == 0
        conn.execute("INSERT INTO ordens_servico (id, id_contato) SELECT n, n FROM generate_series(1, 9) n")
        assert sessions() > 0


def test_a_page_reads_no_more_than_it_shows(fresh_database_url: str) -> None:
    """With 3,000 items the first page and a late one read rows of the index, not the items."""
    with connect(fresh_database_url) as conn:
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, match_status, message_count,"
            " processing_status)"
            " SELECT 'c' || n, 'c' || n, '2025-01', 'unmatched', n, 'loaded' FROM generate_series(1, 3000) n"
        )
        conn.execute("VACUUM ANALYZE chat_files, review_queue")
        late = _all_pages(conn, 1000)[2500].place
        for after in (None, late):
            before = _read(conn)
            assert len(queued_items(conn, "rita", limit=20, after=after)) == 20
            assert _read(conn) - before <= 60


def _read(conn: Connection) -> int:
    """Return the rows of the queue and of chats that statements have read so far."""
    conn.execute("SELECT pg_stat_force_next_flush()")
    row = conn.execute(
        sql.SQL(
            "SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables"
            " WHERE relname IN ('review_queue', 'chat_files')"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("leaves", [False, True])
def test_a_candidate_that_is_written_while_its_chat_enters_the_queue_counts(
    fresh_database_url: str, leaves: bool
) -> None:
    """One transaction sets the chat's status; another writes its candidate before the first commits."""
    with connect(fresh_database_url) as conn, connect(fresh_database_url) as other:
        _fill(conn)
        conn.execute("DELETE FROM chat_sessions")  # a session of the chat would bring its lock
        chat, status = (2, "linked") if leaves else (1, "proposed")
        listed = conn.execute(
            "SELECT count(*) FROM review_queue WHERE source = 'chat' AND session_number = 0 AND id = %s",
            (chat,),
        )
        assert listed.fetchone() == (int(leaves),)
        with contextlib.ExitStack() as first:
            first.enter_context(conn.transaction())
            conn.execute(
                "UPDATE chat_files SET match_status = %s, match_method = 'm', match_confidence = 0.99,"
                " id_contato = 1 WHERE id = %s",
                (status, chat),
            )
            thread = Thread(
                target=other.execute, args=("UPDATE match_candidates SET confidence = confidence * 1.7",)
            )
            thread.start()
            _await_lock(fresh_database_url, other.info.backend_pid, thread)
        thread.join()
        assert _differences(conn) == []


def _await_lock(url: str, backend: int, thread: Thread) -> None:
    """Return when the backend waits for a lock, or its statement has ended."""
    with connect(url) as looking:
        deadline = monotonic() + 60
        while thread.is_alive():
            assert monotonic() < deadline, "it neither waits nor ends"
            waits = looking.execute(
                "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (backend,)
            ).fetchone()
            if waits and waits[0]:
                return


def _written(conn: Connection) -> int:
    """Return how many rows of the queue were inserted, changed or deleted so far."""
    conn.execute("SELECT pg_stat_force_next_flush()")
    row = conn.execute(
        "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'review_queue'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_linking_a_month_writes_each_row_of_the_queue_once(fresh_database_url: str) -> None:
    """Sessions that only wait for the rules never enter it, and no statement on the way is followed."""
    with connect(fresh_database_url) as conn:
        _fill(conn)
        conn.execute("UPDATE chat_sessions SET order_match_status = 'pending'")
        conn.execute("UPDATE chat_files SET match_status = 'pending', id_contato = NULL")
        before = _written(conn)
        with conn.transaction(), refresh_month_at_end(conn, "2025-01"):
            for status in ("proposed", "ambiguous", "linked"):
                conn.execute("UPDATE chat_files SET match_status = %s, id_contato = 1", (status,))
                conn.execute("UPDATE match_candidates SET confidence = confidence * 0.9")
        assert _written(conn) - before == 20  # the twenty chats leave it
        assert _differences(conn) == []
        with conn.transaction(), refresh_month_at_end(conn, "2025-01"):
            conn.execute(
                "UPDATE chat_sessions SET order_match_status = 'unmatched' WHERE id_chat_file IS NOT NULL"
            )
            conn.execute("UPDATE order_candidates SET confidence = confidence * 0.9")
        assert _differences(conn) == []
        conn.execute("UPDATE chat_files SET match_status = 'proposed' WHERE id = 3")
        assert _differences(conn) == [], "triggers follow single changes again"


def test_a_run_that_fails_leaves_neither_links_nor_the_setting(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        _fill(conn)
        with contextlib.suppress(RuntimeError), conn.transaction(), refresh_month_at_end(conn, "2025-01"):
            conn.execute("UPDATE chat_files SET match_status = 'proposed'")
            raise RuntimeError("killed")
        assert _differences(conn) == []
        conn.execute("UPDATE chat_files SET match_status = 'proposed'")
        assert _differences(conn) == []


def test_rows_that_differ_are_repaired(fresh_database_url: str) -> None:
    with connect(fresh_database_url) as conn:
        _fill(conn)
        conn.execute("UPDATE review_queue SET value = value + 1 WHERE id = 2")
        conn.execute("DELETE FROM review_queue WHERE id = 3")
        conn.execute(
            "INSERT INTO review_queue (source, id, session_number, status, messages, value)"
            " VALUES ('chat', 13, 9, 'proposed', 1, 1)"
        )
        assert repair_month(conn, "2025-02") == 0
        assert {row[0] for row in _differences(conn)} == {"chat", "webhook"}
        assert repair_month(conn, "2025-01") > 0
        assert {row[0] for row in _differences(conn)} == {"webhook"}
        assert repair_live(conn) > 0
        assert _differences(conn) == []
        assert repair_month(conn, "2025-01") == repair_live(conn) == 0
