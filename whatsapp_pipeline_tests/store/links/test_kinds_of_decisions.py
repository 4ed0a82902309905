"""A decision is about what its kind names: a phone, a title, a file or a live conversation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import contact_links, live_links, order_links, overrides
from whatsapp_pipeline.store.links.overrides import NewOverride
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

MONTH = "2025-01"
KEY, PLACE = "4199990001", "acc/wa:1"  # the targets of a phone and of a live conversation
KINDS = [
    ("phone", KEY),
    ("title", KEY),
    ("file", KEY),
    ("conversation", PLACE),
    ("title", PLACE),
    ("file", PLACE),
]


@pytest.fixture
def decided(database_url: str) -> Iterator[tuple[Connection, dict[tuple[str, str], int]]]:
    """One chat or conversation for each kind and text, without any other evidence."""
    with connect(database_url) as conn, conn.transaction(force_rollback=True):
        add_contact(conn, 1)
        add_order(conn, 5, 1)
        ids: dict[tuple[str, str], int] = {}
        for number, (kind, text) in enumerate(KINDS):
            if kind == "conversation":
                continue
            chat = add_chat(conn, f"{number}", path=f"path {number}", sessions=(Session(),))
            column = {"phone": "phone_key", "title": "title", "file": "file_path"}[kind]
            conn.execute(f"UPDATE chat_files SET {column} = %s WHERE id = %s".encode(), (text, chat))
            ids[kind, text] = chat
        row = conn.execute(
            "INSERT INTO conversations (phone_number_id, external_id) VALUES ('acc', '1') RETURNING id"
        ).fetchone()
        assert row is not None
        ids["conversation", PLACE] = -row[0]
        conn.execute(
            "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, conversation_id)"
            " VALUES ('acc', '1', 'wa:1', 'wa_id', %s)",
            row,
        )
        conn.execute(
            "INSERT INTO chat_sessions (id_conversation, number, started_at, ended_at, message_count)"
            " VALUES (%s, 1, '2025-01-10', '2025-01-10', 1)",
            row,
        )
        yield conn, ids


@pytest.mark.parametrize("decision", ["contact", "order"])
@pytest.mark.parametrize(("kind", "text"), KINDS)
def test_a_decision_is_about_its_own_kind(
    decided: tuple[Connection, dict[tuple[str, str], int]], kind: str, text: str, decision: str
) -> None:
    conn, ids = decided
    made = overrides.insert_override(
        conn, NewOverride(kind, text, decision, 1 if decision == "contact" else 5, "why", "me")
    )
    conversation = -ids["conversation", PLACE]
    found = set()
    for is_live in (False, True):
        if decision == "contact" and is_live:
            live_links.stage_conversations(conn, [conversation])
        elif decision == "contact":
            contact_links.stage_month_chats(conn, MONTH)
        elif is_live:
            live_links.stage_sessions(conn, [conversation])
        else:
            order_links.stage_month_sessions(conn, MONTH)
        statement = "links/link_overrides_for" if decision == "contact" else "links/order_overrides_for"
        for about, decisions in overrides.about_staged(conn, statement).items():
            assert [one.id for one in decisions] == [made]
            found.add(about)
    if decision == "order":  # of a session, whose chat is asked about
        rows = conn.execute(
            "SELECT coalesce(id_chat_file, -id_conversation) FROM chat_sessions WHERE id = ANY (%s)",
            (sorted(found),),
        )
        found = {chat for (chat,) in rows}
    assert found == {ids[kind, text]}
