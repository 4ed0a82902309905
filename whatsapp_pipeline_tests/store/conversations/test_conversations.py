"""The plan's three functions."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.steps.conversations.verify_conversations import verify_conversations
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.conversations.conversations import (
    add_conversation_message,
    get_last_messages,
    get_or_create_conversation,
)
from whatsapp_pipeline_tests.webhook.deliveries import one


def test_get_or_create_gives_one_conversation(conn: Connection) -> None:
    first = get_or_create_conversation(conn, None, "p1", "5541999990000")
    assert get_or_create_conversation(conn, None, "p1", "5541999990000") == first
    assert get_or_create_conversation(conn, None, "p1", "554199990000") == first
    assert get_or_create_conversation(conn, None, "p2", "5541999990000") != first
    assert get_or_create_conversation(conn, None, "p1", "BR.1") != first
    assert one(conn, "SELECT external_id, channel, is_active FROM conversations WHERE id = %s", first) == (
        "5541999990000",
        "whatsapp",
        True,
    )


def test_messages_come_back_oldest_first_and_limited(conn: Connection) -> None:
    conversation = get_or_create_conversation(conn, None, "p3", "5541999990000")
    ids = [add_conversation_message(conn, conversation, "user", f"m{n}") for n in range(25)]
    last = get_last_messages(conn, conversation)
    assert [m.id for m in last] == ids[5:]
    assert [m.id for m in get_last_messages(conn, conversation, 3, up_to=ids[9])] == ids[7:10]


def test_what_cannot_be_is_one_clear_error(conn: Connection) -> None:
    with pytest.raises(PipelineError, match="no conversation 999"):
        add_conversation_message(conn, 999, "user", "oi")
    with pytest.raises(PipelineError, match="needs text"):
        add_conversation_message(conn, 1, "user", " ")
    with pytest.raises(PipelineError, match="needs a sender"):
        get_or_create_conversation(conn, None, "p1", "")


def test_verify_leaves_nothing_behind(conn: Connection) -> None:
    before = one(conn, "SELECT (SELECT count(*) FROM tenants), (SELECT count(*) FROM conversations)")
    assert len(verify_conversations(conn)) == 5
    assert one(conn, "SELECT (SELECT count(*) FROM tenants), (SELECT count(*) FROM conversations)") == before
